"""GET /forecast/."""

from collections import Counter
from datetime import timedelta

import pytest

from schedules_app import forecast
from schedules_app.models import TaskSchedule
from tasks_app.models import Task
from tests.integration.http import faults, get, post
from tests.integration.schedule_http import act, clock, made, shown, tick  # noqa: F401
from tests.integration.schedules import HOUR, MINUTE, NOON

pytestmark = pytest.mark.django_db


def foreseen(hours=24):
    response = get("/forecast/", hours=hours)
    assert response.status_code == 200, response.content
    return response.json()


def counts(answer):
    return {one["minute"]: one["tasks"] for one in answer["minutes"]}


def created_per_minute():
    starts = Task.objects.values_list("run_at", flat=True)
    return dict(Counter(shown(start.replace(second=0, microsecond=0)) for start in starts))


RULES = {
    "minutes": {"every_x_minutes": 7},
    "seconds": {"every_x_seconds": 20, "starts_at": shown(NOON + timedelta(seconds=50))},
    "cron": {"cron": "*/5 * * * *"},
    "rrule": {"rrule": "FREQ=HOURLY;BYMINUTE=5,25;BYSECOND=30"},
    "limit": {"every_x_minutes": 10, "schedule_x_times": 4},
    "end": {"every_x_minutes": 10, "ends_at": shown(NOON + 30 * MINUTE)},
    "late start": {"every_x_minutes": 10, "starts_at": shown(NOON + 45 * MINUTE)},
    "jitter": {"every_x_minutes": 10, "jitter_seconds": 300},
    "excluded": {"every_x_minutes": 10, "excluded_dates": [shown(NOON + 20 * MINUTE)]},
    "overlap": {"every_x_minutes": 10, "overlap": "skip", "starts_at": shown(NOON + 50 * MINUTE)},
}


@pytest.mark.parametrize("name", RULES)
def test_a_forecast_is_what_ticks_then_create(name):
    made(**RULES[name])
    answer = foreseen(hours=1)
    tick(NOON + HOUR, step=timedelta(seconds=10))
    # A tick lays down what comes a little later, too.
    Task.objects.filter(run_at__gte=NOON + HOUR).delete()
    assert counts(answer) == created_per_minute()
    assert answer["total"] == Task.objects.count() > 0
    assert (answer["until"], answer["truncated"]) == (shown(NOON + HOUR), False)


def test_schedules_add_up_and_the_peak_is_the_first_of_the_fullest_minutes():
    for rule in ("*/30 * * * *", "30 * * * *", "15 * * * *"):
        made(cron=rule)
    answer = foreseen(hours=2)
    assert [one["tasks"] for one in answer["minutes"]] == [1, 1, 2, 1, 1, 2]
    assert answer["total"] == 8
    assert answer["peak"] == {"minute": shown(NOON + 30 * MINUTE), "tasks": 2}


def test_without_schedules_nothing_is_foreseen():
    assert foreseen() == {
        "until": shown(NOON + timedelta(days=1)),
        "truncated": False,
        "total": 0,
        "peak": None,
        "minutes": [],
    }


def test_what_will_not_fire_is_not_foreseen():
    paused, finished = made(), made(schedule_x_times=1, starts_at=shown(NOON))
    act(paused, "pause")
    tick(NOON)
    assert Task.objects.filter(task_schedule=finished["task_schedule_id"]).count() == 1
    skipped = made(cron="30 * * * *")
    act(skipped, "skip-next")
    assert counts(foreseen(hours=2)) == {shown(NOON + 90 * MINUTE): 1}


def test_a_pause_with_an_end_is_foreseen_from_its_end_on():
    schedule = made()
    act(schedule, "pause", {"until": shown(NOON + 90 * MINUTE)})
    assert counts(foreseen(hours=3)) == {shown(NOON + 2 * HOUR): 1}


def test_a_schedule_that_cannot_be_followed_hides_no_other():
    broken = made(cron="30 * * * *")
    TaskSchedule.objects.filter(pk=broken["task_schedule_id"]).update(timezone="Mars/Olympus")
    made(cron="15 * * * *")
    assert counts(foreseen(hours=1)) == {shown(NOON + 15 * MINUTE): 1}


@pytest.mark.parametrize(("hours", "minutes"), [("1", 60), ("168", 168 * 60)])
def test_hours_say_how_far(hours, minutes):
    assert foreseen(hours)["until"] == shown(NOON + minutes * MINUTE)


@pytest.mark.parametrize("text", ["0", "169", "-1", "1.5", "a", "", "1e2", "٣", "9" * 5000])
def test_wrong_hours_are_refused(text):
    [(parameter, code)] = faults(get("/forecast/", hours=text))
    assert (parameter, code) in {("hours", "invalid"), ("hours", "blank")}


def test_an_unknown_parameter_is_refused():
    assert faults(get("/forecast/?days=1")) == {("days", "unknown_parameter")}


def test_a_forecast_of_too_many_occurrences_is_whole_as_far_as_it_says(monkeypatch):
    monkeypatch.setattr(forecast, "MOST_OCCURRENCES", 6)
    made(cron="*/10 * * * *")
    made(cron="*/20 * * * *")
    answer = foreseen(hours=1)
    assert (answer["truncated"], answer["until"]) == (True, shown(NOON + 40 * MINUTE))
    assert list(counts(answer).values()) == [2, 1, 2, 1]


def test_a_forecast_of_too_many_schedules_is_whole_as_far_as_it_says(monkeypatch):
    monkeypatch.setattr(forecast, "MOST_SCHEDULES", 2)
    for minute in (10, 20, 30):
        made(cron=f"{minute},59 * * * *")
    answer = foreseen(hours=1)
    assert answer["truncated"]
    assert TaskSchedule.objects.order_by("-due_at").first().due_at > NOON + 20 * MINUTE
    assert counts(answer) == {shown(NOON + 10 * MINUTE): 1, shown(NOON + 20 * MINUTE): 1}


@pytest.mark.parametrize("kind", [{"cron": "* * * * *"}, {"every_x_minutes": 1}, {"rrule": "FREQ=MINUTELY"}])
def test_occurrences_that_are_excluded_count_for_the_bound(monkeypatch, kind):
    """Else a rule whose every day is excluded would be looked through for the whole week."""
    looked_at = []
    upcoming = forecast.recurrence.upcoming

    def counted(rule, moment):
        for item in upcoming(rule, moment):
            looked_at.append(item)
            yield item

    monkeypatch.setattr(forecast.recurrence, "upcoming", counted)
    monkeypatch.setattr(forecast, "MOST_OCCURRENCES", 100)
    days = [f"2030-01-{day:02}" for day in range(1, 10)]
    post("/calendars/", {"name": "all", "dates": days})
    made(**kind, calendars=["all"], ends_at="2030-01-11T00:00:00Z")
    looked_at.clear()
    answer = foreseen(hours=168)
    assert len(looked_at) < 200
    assert (answer["truncated"], answer["total"]) == (True, 0)
