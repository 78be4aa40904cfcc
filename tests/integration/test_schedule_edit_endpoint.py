"""GET, PATCH and DELETE of /task-schedules/{id}/: entity tags, dry runs, and from one kind to another."""

from datetime import timedelta

import pytest
from django.db.models import Min

from schedules_app import store
from schedules_app.models import Backfill, Occurrence, TaskSchedule
from tasks_app.models import Task
from tests.integration.http import client, faults, get, post, problem
from tests.integration.schedule_http import (  # noqa: F401
    act,
    clock,
    made,
    moment_of,
    patch,
    read,
    shown,
    tick,
    url_of,
)
from tests.integration.schedules import HOUR, MINUTE, NOON

pytestmark = pytest.mark.django_db

KINDS = {
    "every_x_days": 2,
    "every_x_hours": 5,
    "every_x_minutes": 45,
    "every_x_seconds": 30,
    "cron": "30 6 * * *",
    "rrule": "FREQ=DAILY;BYHOUR=7;BYMINUTE=0;BYSECOND=0",
}


def tag_of(schedule):
    return get(url_of(schedule)).headers["ETag"]


# Entity tags


def test_every_answer_about_one_schedule_has_its_tag():
    response = post("/task-schedules/", {"operation": "4+7", "cron": "@hourly"})
    schedule = response.json()
    assert response.headers["ETag"] == tag_of(schedule)
    patched = patch(url_of(schedule), {"priority": 1})
    assert patched.headers["ETag"] == tag_of(schedule) != response.headers["ETag"]


def test_a_tag_changes_with_what_is_shown():
    schedule = made()
    before = tag_of(schedule)
    tick(NOON)
    assert tag_of(schedule) != before


@pytest.mark.parametrize("form", ["{tag}", "W/{tag}", '"x", {tag}', '{tag},"y"', "*"])
def test_who_has_the_answer_already_is_told_304(form):
    schedule = made()
    tag = tag_of(schedule)
    response = client.get(url_of(schedule), HTTP_IF_NONE_MATCH=form.format(tag=tag))
    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize(
    "form", ['"1"', '"1-000000000000"', "1", "garbage", "", '"', "{tag}x".replace("{tag}", "")]
)
def test_who_has_another_answer_gets_the_new_one(form):
    schedule = made()
    response = client.get(url_of(schedule), HTTP_IF_NONE_MATCH=form)
    assert (response.status_code, response.json()) == (200, schedule)


def test_after_firing_the_old_answer_is_no_longer_known():
    schedule = made()
    old = tag_of(schedule)
    tick(NOON)
    assert client.get(url_of(schedule), HTTP_IF_NONE_MATCH=old).status_code == 200


FRESH = ["{tag}", '"{revision}"', '"9", {tag}', "*", " * ", '{tag}, W/"x"']
STALE = [
    '"0"',
    '"{other}"',
    "W/{tag}",
    'W/"{revision}"',
    "{revision}",
    "garbage",
    "",
    '"',
    '"-"',
    '"' + "9" * 400 + '"',
]


def _written(form, schedule):
    revision = schedule["revision"]
    return form.format(tag=tag_of(schedule), revision=revision, other=revision + 1)


@pytest.mark.parametrize("form", FRESH)
@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_change_of_the_revision_that_the_client_read_is_made(form, method):
    schedule = made()
    send = {"patch": lambda **h: patch(url_of(schedule), {"priority": 1}, **h)}.get(method)
    send = send or (lambda **h: client.delete(url_of(schedule), **h))
    assert send(HTTP_IF_MATCH=_written(form, schedule)).status_code in (200, 204)
    assert TaskSchedule.objects.filter(priority=5).count() == 0


@pytest.mark.parametrize("form", STALE)
@pytest.mark.parametrize("tail", ["", "?dry_run=true"])
def test_a_change_of_another_revision_is_refused_and_changes_nothing(form, tail):
    schedule = made()
    header = {"HTTP_IF_MATCH": _written(form, schedule)}
    answers = [patch(url_of(schedule) + tail, {"priority": 1}, **header)]
    if not tail:
        answers.append(client.delete(url_of(schedule), **header))
    for answer in answers:
        told = problem(answer, 412)
        assert told["code"] == "precondition_failed"
        assert "read the schedule again" in told["detail"]
    assert read(schedule) == schedule


def test_firing_does_not_get_into_the_way_of_an_edit_and_an_edit_does():
    schedule = made()
    tag = tag_of(schedule)
    tick(NOON)
    assert patch(url_of(schedule), {"priority": 1}, HTTP_IF_MATCH=tag).status_code == 200
    assert patch(url_of(schedule), {"priority": 2}, HTTP_IF_MATCH=tag).status_code == 412
    assert read(schedule)["priority"] == 1


@pytest.mark.parametrize("verb", ["skip-next", "move"])
def test_a_skip_or_move_makes_a_new_revision(verb):
    schedule = made(starts_at=shown(NOON + HOUR))
    tag = tag_of(schedule)
    body = {"occurs_at": shown(NOON + HOUR), "to": shown(NOON + 90 * MINUTE)} if verb == "move" else None
    act(schedule, verb, body)
    assert patch(url_of(schedule), {"priority": 2}, HTTP_IF_MATCH=tag).status_code == 412


# From one kind to another


@pytest.mark.parametrize("new", KINDS)
@pytest.mark.parametrize("old", KINDS)
def test_any_kind_of_recurrence_takes_the_place_of_any_other(old, new):
    schedule = made(**{old: KINDS[old]})
    response = patch(url_of(schedule), {old: None, new: KINDS[new]})
    assert response.status_code == 200, response.content
    after = response.json()
    assert {kind: after[kind] for kind in KINDS} == {**dict.fromkeys(KINDS), new: KINDS[new]}
    shown_next = get(url_of(schedule, "preview/")).json()
    assert shown_next["description"] == after["description"]
    assert shown_next["occurrences"][0]["occurs_at"] == after["next_run_at"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("cron", "rrule"), ("rrule", "cron"), ("every_x_hours", "cron"), ("cron", "every_x_hours")],
)
def test_two_kinds_at_once_are_refused(old, new):
    schedule = made(**{old: KINDS[old]})
    [(_, code)] = faults(patch(url_of(schedule), {new: KINDS[new]}))
    assert code == "invalid_recurrence"
    assert read(schedule) == schedule


@pytest.mark.parametrize("old", KINDS)
def test_a_recurrence_is_not_taken_away(old):
    schedule = made(**{old: KINDS[old]})
    assert faults(patch(url_of(schedule), {old: None})) == {("#/every_x_days", "recurrence_required")}
    assert read(schedule) == schedule


def test_a_dtstart_line_of_a_patch_sets_start_and_zone():
    schedule = made(cron="30 6 * * *")
    text = "DTSTART;TZID=Europe/Berlin:20300105T090000\nRRULE:FREQ=DAILY"
    after = patch(url_of(schedule), {"cron": None, "rrule": text}).json()
    assert (after["rrule"], after["timezone"]) == ("RRULE:FREQ=DAILY", "Europe/Berlin")
    assert after["starts_at"] == after["next_run_at"] == "2030-01-05T08:00:00.000000Z"


# Dry runs


def rows():
    models = (TaskSchedule, Occurrence, Task, Backfill)
    return [list(model.objects.order_by("pk").values()) for model in models]


def dry(schedule, changes):
    response = patch(url_of(schedule) + "?dry_run=true", changes)
    assert response.status_code == 200, response.content
    return response.json()


EDITS = {
    "hour of a cron": ({"cron": "30 6 * * *"}, {"cron": "30 7 * * *"}),
    "cron to weekdays": ({"cron": "0 9 * * *"}, {"cron": "0 9 * * MON-FRI"}),
    "weekdays to cron": ({"cron": "0 9 * * MON-FRI"}, {"cron": "0 9 * * *"}),
    "zone": ({"cron": "30 23 * * *"}, {"timezone": "Asia/Tokyo"}),
    "interval": ({"every_x_hours": 6}, {"every_x_hours": 4}),
    "interval to cron": ({"every_x_days": 1}, {"every_x_days": None, "cron": "0 12 * * *"}),
    "interval to rrule": ({"every_x_hours": 12}, {"every_x_hours": None, "rrule": "FREQ=DAILY;BYHOUR=3"}),
    "end": ({"every_x_days": 1}, {"ends_at": "2030-01-10T00:00:00Z"}),
    "no end": ({"every_x_days": 1, "ends_at": "2030-01-10T00:00:00Z"}, {"ends_at": None}),
    "exclusions": ({"cron": "0 9 * * *"}, {"excluded_dates": ["2030-01-05", "2030-01-07T09:00:00Z"]}),
    "less limit": ({"every_x_days": 1, "schedule_x_times": 9}, {"schedule_x_times": 4}),
    "more limit": ({"every_x_days": 1, "schedule_x_times": 4}, {"schedule_x_times": 9}),
    "rule with limit": ({"cron": "0 12 * * *", "schedule_x_times": 4}, {"cron": "0 18 * * *"}),
    "start": ({"every_x_days": 1}, {"starts_at": "2030-01-09T15:00:00Z"}),
    "template": ({"cron": "0 9 * * *"}, {"priority": 1, "tags": ["new"]}),
    "template with limit": ({"cron": "0 12 * * *", "schedule_x_times": 3}, {"priority": 1}),
    "jitter": ({"cron": "0 9 * * *"}, {"jitter_seconds": 60}),
    "nothing": ({"cron": "0 9 * * *"}, {}),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_dry_run_changes_nothing(name):
    old, changes = EDITS[name]
    schedule = made(**old)
    act(schedule, "skip-next")
    tick(NOON)
    before = rows()
    dry(schedule, changes)
    assert rows() == before


def tick_whenever_due(until):
    moment = NOON
    while moment is not None and moment <= until:
        store.fire_due(moment)
        moment = TaskSchedule.objects.aggregate(first=Min("due_at"))["first"]


def fired(schedule, until):
    """What was fired of a schedule, with what was laid down ahead before the edit."""
    found = Occurrence.objects.filter(task_schedule=schedule["task_schedule_id"], occurs_at__lte=until)
    return {shown(time) for time in found.exclude(verdict="SKIPPED").values_list("occurs_at", flat=True)}


@pytest.mark.parametrize("start", [NOON, NOON + timedelta(seconds=2), NOON + timedelta(hours=1)])
@pytest.mark.parametrize("name", EDITS)
def test_a_dry_run_tells_what_the_edit_then_does(name, start):
    old, changes = EDITS[name]
    old = {"starts_at": shown(start), **old}
    unchanged, schedule = made(**old), made(**old)
    if start != NOON:
        # What is laid down ahead belongs to both lists.
        tick(NOON)
    told = dry(schedule, changes)
    edited = patch(url_of(schedule), changes).json()
    assert {**told["schedule"], "updated_at": None} == {**edited, "updated_at": None}
    until = NOON + timedelta(days=12)
    tick_whenever_due(until)
    before, after = fired(unchanged, until), fired(schedule, until)
    limit = shown(until)
    left = {move["occurs_at"] for move in told["moved"]} | set(told["removed"])
    come = {move["to"] for move in told["moved"]} | set(told["added"])
    assert {time for time in left if time <= limit} == before - after
    assert {time for time in come if time <= limit} == after - before


def test_occurrences_of_one_day_that_change_their_time_are_told_as_moved():
    told = dry(made(cron="30 6 * * *"), {"cron": "30 7 * * *"})
    assert (told["added"], told["removed"], told["truncated"]) == ([], [], False)
    assert told["moved"][0] == {
        "occurs_at": "2030-01-02T06:30:00.000000Z",
        "to": "2030-01-02T07:30:00.000000Z",
    }
    assert len(told["moved"]) == 30
    assert told["until"] == shown(NOON + timedelta(days=30))


def test_a_dry_run_of_too_many_occurrences_says_how_far_it_goes(monkeypatch):
    monkeypatch.setattr("schedules_app.preview.MOST_COMPARED", 10)
    told = dry(made(every_x_minutes=10), {"every_x_minutes": 5})
    assert told["truncated"]
    assert all(time <= told["until"] for time in told["added"])
    assert told["until"] < shown(NOON + HOUR)
    assert len(told["added"]) == 5


def test_a_dry_run_of_a_rule_with_nothing_but_excluded_times_is_bounded():
    schedule = made(cron="* * * * *")
    days = [f"2030-01-{day:02}" for day in range(1, 32)]
    told = dry(schedule, {"excluded_dates": days[1:]})
    assert told["truncated"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"cron": "61 * * * *"}, "#/cron"),
        ({"ends_at": "2000-01-01T00:00:00Z"}, "#/ends_at"),
        ({"revision": 2}, "#/revision"),
    ],
)
def test_a_dry_run_refuses_what_the_edit_refuses(changes, pointer):
    schedule = made(cron="30 6 * * *")
    real = faults(patch(url_of(schedule), changes))
    assert faults(patch(url_of(schedule) + "?dry_run=true", changes)) == real
    assert {found for found, _ in real} == {pointer}


@pytest.mark.parametrize("text", ["yes", "", "TRUE?", "2"])
def test_dry_run_is_true_or_false(text):
    schedule = made()
    [(parameter, _)] = faults(patch(f"{url_of(schedule)}?dry_run={text}", {"priority": 1}))
    assert parameter == "dry_run"
    assert read(schedule) == schedule


def test_dry_run_false_is_an_edit():
    schedule = made()
    assert patch(f"{url_of(schedule)}?dry_run=false", {"priority": 1}).json()["priority"] == 1
    assert read(schedule)["priority"] == 1


def test_a_dry_run_mends_a_rule_that_cannot_be_followed():
    schedule = made(cron="30 6 * * *")
    TaskSchedule.objects.update(timezone="Mars/Olympus")
    told = dry(schedule, {"timezone": "UTC"})
    assert (len(told["added"]), told["removed"]) == (30, [])
    assert moment_of(told["added"][0]) == NOON.replace(day=2, hour=6, minute=30)


def test_a_change_without_a_body_is_refused_and_an_empty_one_changes_nothing():
    schedule = made()
    assert faults(client.patch(url_of(schedule))) == {("#", "required")}
    assert patch(url_of(schedule), {}).json()["revision"] == schedule["revision"]
