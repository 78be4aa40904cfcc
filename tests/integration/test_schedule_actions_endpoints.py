"""/task-schedules/{id}/ pause, resume, trigger, skip-next, move and restore."""

import json
from datetime import timedelta

import pytest

from schedules_app import store
from schedules_app.models import Occurrence, TaskSchedule
from tasks_app.models import Task
from tests.integration.http import MISSING_ID, client, faults, get, post, problem
from tests.integration.schedule_http import (  # noqa: F401
    act,
    clock,
    ledger_of,
    made,
    moment_of,
    patch,
    read,
    row_of,
    shown,
    tick,
    url_of,
)
from tests.integration.schedules import HOUR, MINUTE, NOON, finish_all
from tests.support import registered_operation

pytestmark = pytest.mark.django_db

VERBS = ("pause", "resume", "trigger", "skip-next", "move", "restore")
TWO, THREE, FOUR = (NOON + hours * HOUR for hours in (2, 3, 4))


def finished(**fields):
    schedule = made(schedule_x_times=1, **fields)
    tick(NOON)
    assert read(schedule)["status"] == "FINISHED"
    return schedule


def told(schedule, **filters):
    rows = ledger_of(schedule, **filters)
    return [((moment_of(row["occurs_at"]) - NOON) / HOUR, row["reason"] or row["verdict"]) for row in rows]


def previewed(schedule, count=3):
    items = get(url_of(schedule, "preview/"), count=count).json()["occurrences"]
    return [(item["occurs_at"], item["fires"], item["notes"]) for item in items]


# All verbs


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


def greet(name: str):
    return name


def trigger(schedule, body=None, status=201):
    return act(schedule, "trigger", body, status)


def test_a_triggered_task_is_shown_with_its_address_and_stands_in_the_ledger():
    schedule = made(tags=["nightly"], priority=2, queue="reports")
    response = post(url_of(schedule, "trigger/"))
    task = response.json()
    assert (response.status_code, response.headers["Location"]) == (201, f"/tasks/{task['task_id']}/")
    assert task.items() <= get(response.headers["Location"]).json().items()
    assert (task["status"], task["task_schedule"]) == ("PENDING", schedule["task_schedule_id"])
    assert (task["tags"], task["priority"], task["queue"]) == (["nightly"], 2, "reports")
    [row] = ledger_of(schedule)
    assert (row["origin"], row["verdict"], row["task_id"]) == ("manual", "FIRED", task["task_id"])
    assert row["task_status"] == "PENDING"


def test_a_manual_run_changes_nothing_of_the_recurrence():
    schedule = made(schedule_x_times=2, starts_at=shown(NOON + HOUR))
    trigger(schedule)
    assert read(schedule) == schedule


@pytest.mark.parametrize("state", ["paused", "finished"])
def test_a_schedule_that_does_not_fire_can_be_triggered(state):
    schedule = finished() if state == "finished" else made()
    if state == "paused":
        act(schedule, "pause")
    before, tasks = read(schedule), Task.objects.count()
    trigger(schedule)
    assert Task.objects.count() == tasks + 1
    assert read(schedule) == before


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all"])
def test_a_manual_run_that_obeys_overlap_is_skipped_while_a_task_runs(overlap):
    schedule = made(overlap=overlap)
    trigger(schedule, {"obey_overlap": True})
    row = trigger(schedule, {"obey_overlap": True}, status=200)
    assert (row["verdict"], row["reason"], row["origin"], row["task_id"]) == (
        "SKIPPED",
        "overlap",
        "manual",
        None,
    )
    assert Task.objects.count() == 1
    trigger(schedule, {"obey_overlap": False})
    finish_all(NOON)
    assert Task.objects.count() == 2
    trigger(schedule, {"obey_overlap": True})


def test_a_manual_run_that_obeys_overlap_cancels_the_previous_task():
    schedule = made(overlap="cancel_previous")
    first = trigger(schedule, {"obey_overlap": True})
    trigger(schedule, {"obey_overlap": True})
    assert get(f"/tasks/{first['task_id']}/").json()["status"] == "CANCELLED"


def test_a_manual_run_that_obeys_allow_runs_beside_others():
    schedule = made()
    trigger(schedule, {"obey_overlap": True})
    trigger(schedule, {"obey_overlap": True})


def test_arguments_of_a_manual_run_replace_the_schedules_for_this_run():
    with registered_operation(greet, "greet"):
        schedule = made(operation="greet", arguments={"name": "world"})
        assert trigger(schedule, {"arguments": {"name": "you"}})["arguments"] == {"name": "you"}
        assert trigger(schedule)["arguments"] == {"name": "world"}
        assert trigger(schedule, {"arguments": None})["arguments"] == {"name": "world"}
        assert read(schedule)["arguments"] == {"name": "world"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"arguments": {}}, "#/arguments/name"),
        ({"arguments": {"name": "a", "age": 1}}, "#/arguments/age"),
        ({"arguments": []}, "#/arguments"),
        ({"arguments": "name"}, "#/arguments"),
        ({"obey_overlap": "yes"}, "#/obey_overlap"),
        ({"obey_overlap": None}, "#/obey_overlap"),
    ],
)
def test_a_wrong_manual_run_is_refused_by_name_and_creates_nothing(body, pointer):
    with registered_operation(greet, "greet"):
        schedule = made(operation="greet", arguments={"name": "world"})
        assert {found for found, _ in faults(post(url_of(schedule, "trigger/"), body))} == {pointer}
    assert not Occurrence.objects.exists()
    assert not Task.objects.exists()


def test_arguments_for_an_operation_that_has_vanished_are_refused():
    schedule = made()
    TaskSchedule.objects.update(operation="reports.gone")
    problem(post(url_of(schedule, "trigger/"), {"arguments": {}}), 400)
    assert not Task.objects.exists()


def test_a_placeholder_in_arguments_of_a_manual_run_is_filled_in():
    with registered_operation(greet, "greet"):
        schedule = made(operation="greet", arguments={"name": "world"})
        task = trigger(schedule, {"arguments": {"name": "{{ schedule_id }}"}})
    assert task["arguments"] == {"name": schedule["task_schedule_id"]}


def repeat(schedule, body=None, key="k-1"):
    data = json.dumps(body or {})
    path = url_of(schedule, "trigger/")
    return client.generic("POST", path, data, "application/json", HTTP_IDEMPOTENCY_KEY=key)


def test_a_repeated_trigger_gets_the_same_answer_and_creates_one_task():
    schedule = made()
    first, second = repeat(schedule), repeat(schedule)
    assert (first.status_code, second.status_code) == (201, 201)
    assert (second.content, second.headers["Location"]) == (first.content, first.headers["Location"])
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (Task.objects.count(), Occurrence.objects.count()) == (1, 1)


def test_a_repeated_trigger_that_was_skipped_stays_skipped():
    schedule = made(overlap="skip")
    trigger(schedule)
    first = repeat(schedule, {"obey_overlap": True})
    finish_all(NOON)
    second = repeat(schedule, {"obey_overlap": True})
    assert (first.status_code, second.status_code, second.content) == (200, 200, first.content)
    assert Task.objects.count() == 1


def test_a_key_means_one_run_of_one_schedule():
    schedule, other = made(), made()
    repeat(schedule)
    assert repeat(schedule, {"obey_overlap": True}).status_code == 422
    assert repeat(other).json()["task_schedule"] == other["task_schedule_id"]


# Skip, move, restore


def test_a_skipped_occurrence_does_not_fire_and_the_one_after_it_does():
    schedule = made(starts_at=shown(NOON + HOUR))
    body = act(schedule, "skip-next")
    assert body["overrides"] == [{"occurs_at": shown(NOON + HOUR), "moved_to": None}]
    assert (body["next_run_at"], body["revision"]) == (shown(TWO), 2)
    assert previewed(schedule)[0] == (shown(NOON + HOUR), False, ["skipped"])
    tick(TWO, step=30 * MINUTE)
    assert told(schedule) == [(1, "requested"), (2, "FIRED")]


def test_each_skip_takes_one_more():
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    body = act(schedule, "skip-next")
    assert [item["occurs_at"] for item in body["overrides"]] == [shown(NOON + HOUR), shown(TWO)]
    assert body["next_run_at"] == shown(THREE)


def test_the_next_occurrence_of_a_paused_schedule_is_skipped_and_it_stays_paused():
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "pause")
    body = act(schedule, "skip-next")
    assert (body["status"], len(body["overrides"])) == ("PAUSED", 1)


def test_to_skip_the_last_occurrence_finishes_a_schedule():
    schedule = made(starts_at=shown(NOON + HOUR), ends_at=shown(NOON + HOUR))
    assert act(schedule, "skip-next")["status"] == "FINISHED"
    assert act(schedule, "restore", {"occurs_at": shown(NOON + HOUR)})["status"] == "ACTIVE"


def test_a_moved_occurrence_comes_at_its_new_time_alone():
    schedule = made(starts_at=shown(NOON + HOUR))
    target = TWO + 30 * MINUTE
    body = act(schedule, "move", {"occurs_at": shown(NOON + HOUR), "to": shown(target)})
    assert body["overrides"] == [{"occurs_at": shown(NOON + HOUR), "moved_to": shown(target)}]
    assert body["next_run_at"] == shown(TWO)
    assert previewed(schedule, 2) == [(shown(TWO), True, []), (shown(target), True, ["moved"])]
    tick(THREE, step=30 * MINUTE)
    assert told(schedule, verdict="FIRED") == [(2, "FIRED"), (2.5, "FIRED"), (3, "FIRED")]


def test_a_moved_occurrence_is_moved_again_by_its_new_time():
    schedule = made(starts_at=shown(NOON + HOUR))
    half = NOON + 30 * MINUTE
    act(schedule, "move", {"occurs_at": shown(NOON + HOUR), "to": shown(half)})
    body = act(schedule, "move", {"occurs_at": shown(half), "to": shown(half + MINUTE)})
    assert body["overrides"] == [{"occurs_at": shown(NOON + HOUR), "moved_to": shown(half + MINUTE)}]
    assert body["next_run_at"] == shown(half + MINUTE)
    assert act(schedule, "restore", {"occurs_at": shown(NOON + HOUR)})["overrides"] == []


def test_times_of_a_move_may_be_written_with_any_offset():
    schedule = made(starts_at=shown(NOON + HOUR))
    body = act(
        schedule, "move", {"occurs_at": "2030-01-01T14:00:00+01:00", "to": "2030-01-01T09:30:00-04:00"}
    )
    assert body["overrides"] == [{"occurs_at": shown(NOON + HOUR), "moved_to": shown(NOON + 90 * MINUTE)}]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"occurs_at": shown(TWO + MINUTE), "to": shown(FOUR)}, "#/occurs_at", "no_such_occurrence"),
        ({"occurs_at": shown(NOON - HOUR), "to": shown(FOUR)}, "#/occurs_at", "no_such_occurrence"),
        ({"occurs_at": shown(TWO), "to": shown(NOON)}, "#/to", "invalid_recurrence"),
        ({"occurs_at": shown(TWO), "to": "2031-01-03T00:00:00Z"}, "#/to", "invalid_recurrence"),
        ({"occurs_at": shown(TWO), "to": "2030-01-01T16:00:00"}, "#/to", "offset_required"),
        ({"occurs_at": "9999-12-31T23:59:59Z", "to": shown(TWO)}, "#/occurs_at", "out_of_range"),
        ({"occurs_at": None, "to": shown(TWO)}, "#/occurs_at", "null"),
        ({"occurs_at": shown(TWO)}, "#/to", "required"),
        ({"to": shown(TWO)}, "#/occurs_at", "required"),
    ],
)
def test_a_wrong_move_is_refused_by_name_and_changes_nothing(body, pointer, code):
    schedule = made(starts_at=shown(NOON + HOUR))
    assert faults(post(url_of(schedule, "move/"), body)) == {(pointer, code)}
    assert read(schedule) == schedule


def test_an_occurrence_that_has_fired_cannot_be_moved():
    schedule = made()
    tick(NOON)
    body = {"occurs_at": shown(NOON), "to": shown(FOUR)}
    assert faults(post(url_of(schedule, "move/"), body)) == {("#/occurs_at", "no_such_occurrence")}


def test_a_finished_schedule_has_nothing_to_move():
    body = {"occurs_at": shown(NOON + HOUR), "to": shown(FOUR)}
    assert faults(post(url_of(finished(), "move/"), body)) == {("#/occurs_at", "no_such_occurrence")}


@pytest.mark.parametrize("verb", ["skip-next", "move"])
def test_a_restored_occurrence_comes_as_by_the_rule(verb):
    schedule = made(starts_at=shown(NOON + HOUR))
    body = {"occurs_at": shown(NOON + HOUR), "to": shown(FOUR + MINUTE)} if verb == "move" else None
    act(schedule, verb, body)
    restored = act(schedule, "restore", {"occurs_at": shown(NOON + HOUR)})
    assert (restored["overrides"], restored["next_run_at"]) == ([], schedule["next_run_at"])
    tick(NOON + HOUR, step=30 * MINUTE)
    assert told(schedule) == [(1, "FIRED")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"occurs_at": shown(TWO)}, "no_such_occurrence"),
        ({"occurs_at": shown(NOON - HOUR)}, "no_such_occurrence"),
        ({}, "required"),
        ({"occurs_at": "soon"}, "invalid"),
    ],
)
def test_a_wrong_restore_is_refused_by_name(body, code):
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    before = read(schedule)
    assert faults(post(url_of(schedule, "restore/"), body)) == {("#/occurs_at", code)}
    assert read(schedule) == before


def test_what_is_over_cannot_be_restored(clock):  # noqa: F811
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    clock(TWO)
    body = {"occurs_at": shown(NOON + HOUR)}
    assert faults(post(url_of(schedule, "restore/"), body)) == {("#/occurs_at", "no_such_occurrence")}


def test_too_many_overrides_are_a_conflict_with_what_to_do(monkeypatch):
    monkeypatch.setattr("schedules_app.store.overrides.MOST_OVERRIDES", 2)
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    act(schedule, "skip-next")
    before = read(schedule)
    answers = [
        problem(post(url_of(schedule, "skip-next/")), 409),
        problem(post(url_of(schedule, "move/"), {"occurs_at": shown(THREE), "to": shown(TWO)}), 409),
    ]
    assert {answer["code"] for answer in answers} == {"too_many_overrides"}
    assert all("restore some" in answer["detail"] for answer in answers)
    assert read(schedule) == before


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
