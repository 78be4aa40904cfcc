"""GET /task-schedules/{id}/preview/ and POST /task-schedules/preview/."""

from datetime import timedelta

import pytest

from schedules_app import preview
from schedules_app.models import Occurrence, TaskSchedule
from tasks_app.models import Task
from tests.integration.http import faults, get, post, problem
from tests.integration.schedule_http import LIST, act, clock, made, read, shown, tick, url_of  # noqa: F401
from tests.integration.schedules import HOUR, NOON

pytestmark = pytest.mark.django_db

NEW = f"{LIST}preview/"
START = "2030-01-02T08:00:00.000000Z"
WHOLE = {
    "name": "Whole",
    "arguments": {},
    "priority": 3,
    "queue": "reports",
    "tags": ["a", "b"],
    "max_attempts": 4,
    "timeout_seconds": 12.5,
    "timezone": "Europe/Berlin",
    "starts_at": START,
    "ends_at": "2031-01-02T08:00:00.000000Z",
    "schedule_x_times": 50,
    "gap": "skip",
    "fold": "both",
    "excluded_dates": ["2030-01-04", "2030-01-05T09:00:00+01:00"],
    "calendars": ["holidays", "weekend"],
    "roll": "next",
    "jitter_seconds": 30,
    "catch_up": "all",
    "catch_up_window_seconds": 3600.0,
    "catch_up_limit": 7,
    "overlap": "buffer_all",
    "expires_after_seconds": 90.5,
    "alert_after_failures": 3,
    "expect_success_by": "23:59",
}
KINDS = {
    "intervals": {"every_x_days": 1, "every_x_hours": 2, "every_x_minutes": 3, "every_x_seconds": 4},
    "cron": {"cron": "*/15 6-9 * * MON-FRI"},
    "rrule": {"rrule": "RRULE:FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=9,17\nEXDATE:20300107T090000"},
}


def items(response):
    assert response.status_code == 200, response.content
    return response.json()["occurrences"]


def of_one(schedule, **parameters):
    return items(get(url_of(schedule, "preview/"), **parameters))


def times(found):
    return [item["occurs_at"] for item in found]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_comes_back_as_it_was_sent_and_is_followed(kind):
    post("/calendars/", {"name": "holidays", "dates": ["2030-01-07"]})
    post("/calendars/", {"name": "weekend", "rrules": ["FREQ=WEEKLY;BYDAY=SA,SU"]})
    wanted = {"operation": "4+7", **WHOLE, **KINDS[kind]}
    schedule = made(**{name: value for name, value in wanted.items() if name != "operation"})
    assert wanted.items() <= schedule.items()
    assert read(schedule) == schedule
    ahead = of_one(schedule, count=50)
    assert schedule["next_run_at"] == next(item["occurs_at"] for item in ahead if item["fires"])
    before = items(post(f"{NEW}?count=50", wanted))
    assert times(before) == times(ahead)
    assert [item["fires"] for item in before] == [item["fires"] for item in ahead]
    days = {item["local_time"][:10] for item in ahead if item["fires"]}
    assert days.isdisjoint({"2030-01-04", "2030-01-05", "2030-01-06", "2030-01-07"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_is_what_ticks_then_fire(kind):
    schedule = made(**KINDS[kind], starts_at=START, excluded_dates=["2030-01-03"])
    ahead = of_one(schedule, count=1000)
    until = NOON + timedelta(days=7)
    fires = [item["occurs_at"] for item in ahead if item["fires"] and item["occurs_at"] <= shown(until)]
    tick(until, step=timedelta(minutes=15), since=NOON)
    rows = Occurrence.objects.exclude(verdict="SKIPPED").filter(occurs_at__lte=until).order_by("occurs_at")
    assert [shown(time) for time in rows.values_list("occurs_at", flat=True)] == fires != []


def test_a_preview_needs_no_operation_and_stores_nothing():
    body = post(f"{NEW}?count=2", {"cron": "30 6 * * *", "timezone": "Europe/Berlin"}).json()
    assert [item["local_time"] for item in body["occurrences"]] == [
        "2030-01-02T06:30:00+01:00",
        "2030-01-03T06:30:00+01:00",
    ]
    assert times(body["occurrences"]) == ["2030-01-02T05:30:00.000000Z", "2030-01-03T05:30:00.000000Z"]
    assert not TaskSchedule.objects.exists()
    assert not Task.objects.exists()


def test_a_preview_with_an_operation_checks_it():
    assert faults(post(NEW, {"cron": "@daily", "operation": "no.such"})) == {
        ("#/operation", "unknown_operation")
    }
    assert items(post(NEW, {"cron": "@daily", "operation": "4+7"}))


def test_a_preview_of_nothing_says_what_is_missing():
    assert faults(post(NEW, {})) == {("#/every_x_days", "recurrence_required")}


@pytest.mark.parametrize("body", [[], "text", 5])
def test_a_body_that_is_no_object_is_refused(body):
    problem(post(NEW, body), 400)


@pytest.mark.parametrize("count", ["0", "1001", "-1", "a", "1.0"])
def test_a_wrong_count_is_refused(count):
    schedule = made()
    assert faults(get(url_of(schedule, "preview/"), count=count)) == {("count", "invalid")}
    assert faults(post(f"{NEW}?count={count}", {"cron": "@daily"})) == {("count", "invalid")}


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_a_preview_has_as_many_as_were_asked_for(count):
    assert len(of_one(made(), count=count)) == count
    assert len(items(post(f"{NEW}?count={count}", {"every_x_seconds": 1}))) == count
    assert len(of_one(made())) == 10


@pytest.mark.parametrize("text", ["soon", "2030-01-01", "2030-01-01T00:00:00", "9999-12-31T23:59:59Z", ""])
def test_a_wrong_from_is_refused(text):
    schedule = made()
    stored = get(url_of(schedule, "preview/"), **{"from": text})
    for response in (stored, post(f"{NEW}?from={text}", {"cron": "@daily"})):
        [(parameter, _)] = faults(response)
        assert parameter == "from"


def test_from_says_where_to_begin_and_an_offset_needs_no_escape():
    schedule = made(cron="0 * * * *")
    found = get(f"{url_of(schedule, 'preview/')}?count=1&from=2030-02-01T01:30:00+01:00")
    assert times(items(found)) == ["2030-02-01T01:00:00.000000Z"]
    found = post(f"{NEW}?count=1&from=2030-02-01T01:30:00%2B01:00", {"cron": "0 * * * *"})
    assert times(items(found)) == ["2030-02-01T01:00:00.000000Z"]


@pytest.mark.parametrize("limit", [1, 3])
def test_a_preview_ends_with_the_limit_on_tasks(limit):
    schedule = made(schedule_x_times=limit, excluded_dates=[shown(NOON)])
    assert [item["fires"] for item in of_one(schedule)].count(True) == limit
    tick(NOON + HOUR, step=HOUR)
    assert [item["fires"] for item in of_one(schedule)].count(True) == limit - 1


def test_a_preview_of_a_new_schedule_ends_with_its_limit_on_tasks_too():
    body = {"every_x_hours": 1, "schedule_x_times": 2, "starts_at": START, "excluded_dates": [START]}
    assert [item["fires"] for item in items(post(NEW, body))] == [False, True, True]


def test_a_time_too_far_ahead_to_count_up_to_is_refused(monkeypatch):
    monkeypatch.setattr(preview, "MOST_COUNTED", 5)
    schedule = made(schedule_x_times=100)
    assert len(of_one(schedule, **{"from": shown(NOON + 3 * HOUR)})) == 10
    far = get(url_of(schedule, "preview/"), **{"from": shown(NOON + 9 * HOUR)})
    assert faults(far) == {("from", "too_far_ahead")}


def test_a_finished_schedule_has_nothing_ahead():
    schedule = made(schedule_x_times=1)
    tick(NOON)
    assert of_one(schedule) == []


def test_jitter_is_shown_when_it_is_known():
    schedule = made(jitter_seconds=600)
    [item] = of_one(schedule, count=1)
    assert "jitter" in item["notes"]
    tick(NOON)
    assert item["starts_at"] == shown(Task.objects.order_by("run_at").first().run_at)
    [item] = items(post(f"{NEW}?count=1", {"every_x_hours": 1, "jitter_seconds": 600}))
    assert (item["starts_at"], item["notes"]) == (None, ["jitter"])


def test_a_preview_of_nothing_but_excluded_times_is_as_long_as_asked_for():
    post("/calendars/", {"name": "all", "rrules": ["FREQ=DAILY"]})
    for roll in ("skip", "next", "previous"):
        found = items(post(f"{NEW}?count=1000", {"cron": "* * * * *", "calendars": ["all"], "roll": roll}))
        assert {(item["fires"], *item["notes"]) for item in found} == {(False, "excluded")}
        assert len(found) == 1000


BERLIN = "DTSTART;TZID=Europe/Berlin:20300105T090000\nRRULE:FREQ=DAILY"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"timezone": "Europe/Berlin"},
        {"starts_at": "2030-01-05T08:00:00Z"},
        {"starts_at": "2030-01-05T09:00:00+01:00", "timezone": "Europe/Berlin"},
        {"starts_at": None},
    ],
)
def test_a_dtstart_line_agrees_with_fields_that_say_the_same(fields):
    schedule = made(rrule=BERLIN, **fields)
    assert (schedule["starts_at"], schedule["timezone"]) == ("2030-01-05T08:00:00.000000Z", "Europe/Berlin")
    assert schedule["rrule"] == "RRULE:FREQ=DAILY"
    assert times(items(post(f"{NEW}?count=3", {"rrule": BERLIN, **fields}))) == times(
        of_one(schedule, count=3)
    )


@pytest.mark.parametrize(
    ("rrule", "fields", "pointer"),
    [
        (BERLIN, {"timezone": "UTC"}, "#/timezone"),
        (BERLIN, {"timezone": "Europe/Paris"}, "#/timezone"),
        (BERLIN, {"starts_at": "2030-01-05T09:00:00Z"}, "#/starts_at"),
        (BERLIN.replace("Europe/Berlin", "Mars/Olympus"), {}, "#/rrule"),
        (BERLIN.replace("20300105", "20301305"), {}, "#/rrule"),
        (BERLIN.replace("20300105", "00010105"), {}, "#/rrule"),
        ("DTSTART:20300105T090000\n" + BERLIN, {}, "#/rrule"),
    ],
)
def test_a_dtstart_line_that_contradicts_is_refused(rrule, fields, pointer):
    for path in (LIST, NEW):
        found = faults(post(path, {"operation": "4+7", "rrule": rrule, **fields}))
        assert {where for where, _ in found} == {pointer}


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("DTSTART:20300105T090000", "2030-01-05T14:00:00.000000Z"),
        ("DTSTART:20300105T090000Z", "2030-01-05T09:00:00.000000Z"),
    ],
)
def test_a_dtstart_without_a_zone_is_read_in_the_schedules(line, start):
    schedule = made(rrule=f"{line}\nRRULE:FREQ=DAILY", timezone="America/New_York")
    assert (schedule["starts_at"], schedule["next_run_at"]) == (start, start)


def test_a_rule_that_cannot_be_followed_is_told_by_its_field():
    schedule = made()
    TaskSchedule.objects.update(timezone="Mars/Olympus")
    assert faults(get(url_of(schedule, "preview/"))) == {("#/timezone", "invalid_recurrence")}


def test_skips_and_moves_by_hand_are_noted():
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    assert of_one(schedule, count=1)[0]["notes"] == ["skipped"]


def test_an_exrule_beside_a_rule_of_very_many_times_a_day_is_refused_with_a_way_out(client):
    body = {"rrule": "RRULE:FREQ=MINUTELY\nEXRULE:FREQ=MINUTELY;BYMONTH=7,8"}
    answer = client.post("/task-schedules/preview/", body, content_type="application/json")
    assert answer.status_code == 400
    assert "excluded_dates" in answer.json()["detail"]
