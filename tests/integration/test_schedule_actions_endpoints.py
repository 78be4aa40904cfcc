"""/task-schedules/{id}/ pause and resume, and what all actions have in common."""

from datetime import timedelta

import pytest

from schedules_app import store
from schedules_app.models import TaskSchedule
from tasks_app.models import Task
from tests.integration.http import MISSING_ID, faults, get, post, problem
from tests.integration.schedule_http import (
    act,
    clock,  # noqa: F401 - a fixture for every test here
    finished,
    made,
    patch,
    read,
    row_of,
    shown,
    tick,
    told,
    url_of,
)
from tests.integration.schedules import FOUR, HOUR, MINUTE, NOON, THREE, TWO

pytestmark = pytest.mark.django_db

VERBS = ("pause", "resume", "trigger", "skip-next", "move", "restore")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("key", [MISSING_ID, "7", "%00"])
def test_an_unknown_schedule_is_a_404_that_says_so(verb, key):
    assert problem(post(f"/task-schedules/{key}/{verb}/"), 404)["code"] == "not_found"


@pytest.mark.parametrize("verb", VERBS)
def test_an_action_is_a_post_and_takes_no_parameters(verb):
    schedule = made()
    problem(get(url_of(schedule, f"{verb}/")), 405)
    assert faults(post(url_of(schedule, f"{verb}/?unknown=1"))) == {("unknown", "unknown_parameter")}
    assert read(schedule) == schedule


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "skip-next"])
@pytest.mark.parametrize("body", [[], "text", 5])
def test_a_body_that_is_no_object_is_refused(verb, body):
    schedule = made()
    problem(post(url_of(schedule, f"{verb}/"), body), 400)
    assert read(schedule) == schedule


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "skip-next"])
def test_an_unknown_field_is_refused_by_name(verb):
    schedule = made()
    assert ("#/force", "unknown_field") in faults(post(url_of(schedule, f"{verb}/"), {"force": True}))
    assert read(schedule) == schedule


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("pause", None),
        ("resume", None),
        ("skip-next", None),
        ("move", {"occurs_at": shown(NOON + HOUR), "to": shown(NOON + HOUR + MINUTE)}),
    ],
)
def test_an_answer_has_the_tag_that_a_read_then_has(verb, body):
    schedule = made()
    response = post(url_of(schedule, f"{verb}/"), body)
    assert response.status_code == 200
    assert response.headers["ETag"] == get(url_of(schedule)).headers["ETag"]
    assert response.json() == read(schedule)


# Pause and resume


def test_a_pause_keeps_its_note_and_its_end():
    schedule = made()
    body = act(schedule, "pause", {"note": "Invoices are down.", "until": shown(TWO)})
    assert (body["status"], body["paused_at"]) == ("PAUSED", shown(NOON))
    assert (body["pause_note"], body["paused_until"]) == ("Invoices are down.", shown(TWO))


def test_a_second_pause_takes_the_new_note_and_end_but_not_its_time(clock):  # noqa: F811
    schedule = made()
    act(schedule, "pause", {"note": "one", "until": shown(TWO)})
    clock(NOON + MINUTE)
    body = act(schedule, "pause", {"note": "two"})
    assert (body["paused_at"], body["pause_note"], body["paused_until"]) == (shown(NOON), "two", None)


def test_a_pause_with_an_end_goes_on_by_itself():
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "pause", {"until": shown(TWO + 30 * MINUTE)})
    tick(THREE, step=30 * MINUTE)
    assert read(schedule)["status"] == "ACTIVE"
    assert told(schedule) == [(1, "paused"), (2, "paused"), (3, "FIRED")]


def test_a_pause_takes_back_what_lies_ahead():
    schedule = made(starts_at=shown(NOON + timedelta(seconds=2)))
    tick(NOON)
    assert Task.objects.count() == 1
    body = act(schedule, "pause")
    assert (Task.objects.count(), body["tasks_created"]) == (0, 0)
    assert body["next_run_at"] == shown(NOON + timedelta(seconds=2))


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"until": shown(NOON)}, "#/until", "too_early"),
        ({"until": "2029-12-31T00:00:00Z"}, "#/until", "too_early"),
        ({"until": "2030-01-02T00:00:00"}, "#/until", "offset_required"),
        ({"until": "tomorrow"}, "#/until", "invalid"),
        ({"note": "x" * 201}, "#/note", "max_length"),
        ({"note": 7}, "#/note", "invalid"),
    ],
)
def test_a_wrong_pause_is_refused_by_name(body, pointer, code):
    schedule = made()
    assert faults(post(url_of(schedule, "pause/"), body)) == {(pointer, code)}
    assert read(schedule) == schedule


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, [(0, "paused"), (1, "paused"), (2, "paused")]),
        ({"catch_up": False}, [(0, "paused"), (1, "paused"), (2, "paused")]),
        ({"catch_up": True}, [(0, "LATE"), (1, "LATE"), (2, "LATE")]),
    ],
)
def test_what_a_pause_left_out_is_skipped_or_caught_up(clock, body, expected):  # noqa: F811
    schedule = made(catch_up="all")
    act(schedule, "pause")
    clock(TWO + 30 * MINUTE)
    resumed = act(schedule, "resume", body)
    assert (resumed["status"], resumed["paused_at"]) == ("ACTIVE", None)
    tick(TWO + 30 * MINUTE, since=TWO + 30 * MINUTE)
    assert told(schedule) == expected
    assert read(schedule)["next_run_at"] == shown(THREE)


@pytest.mark.parametrize("value", ["true", 1, None])
def test_catch_up_is_true_or_false(value):
    schedule = made()
    act(schedule, "pause")
    [(pointer, _)] = faults(post(url_of(schedule, "resume/"), {"catch_up": value}))
    assert pointer == "#/catch_up"
    assert read(schedule)["status"] == "PAUSED"


def test_resuming_an_active_schedule_changes_nothing():
    schedule = made()
    assert act(schedule, "resume") == act(schedule, "resume", {"catch_up": True}) == schedule


@pytest.mark.parametrize("verb", ["pause", "resume", "skip-next"])
def test_a_finished_schedule_is_a_conflict(verb):
    schedule = finished()
    before = read(schedule)
    problem(post(url_of(schedule, f"{verb}/")), 409)
    assert read(schedule) == before


# Trigger


@pytest.mark.parametrize("verb", ["skip-next", "move", "restore"])
def test_a_rule_that_cannot_be_followed_is_no_fault_of_the_service(verb):
    schedule = made(starts_at=shown(NOON + HOUR))
    TaskSchedule.objects.update(timezone="Mars/Olympus", overrides={"2030-01-01T13:00:00+00:00": None})
    body = {"occurs_at": shown(NOON + HOUR), "to": shown(FOUR)}
    body = {name: body[name] for name in {"move": body, "restore": ["occurs_at"]}.get(verb, ())}
    response = post(url_of(schedule, f"{verb}/"), body or None)
    assert response.status_code in (400, 409)
    assert "timezone" in response.content.decode()


def test_an_edit_of_the_rule_forgets_what_it_no_longer_gives():
    schedule = made(cron="0 * * * *")
    act(schedule, "skip-next")
    assert patch(url_of(schedule), {"cron": "30 * * * *"}).json()["overrides"] == []
    assert row_of(schedule).overrides == {}
    assert store.fire_due(NOON + 30 * MINUTE).tasks == 1
