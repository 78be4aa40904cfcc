"""Schedules, stored and fired through their store.

`python -m bench.ours.tick prepare <number> | spread <number> <seconds> | fire <seconds>`
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import django

django.setup()

from django.db.models import Max  # noqa: E402 - Django first

from scheduler_service import garbage  # noqa: E402
from schedules_app import store  # noqa: E402
from schedules_app.models import TaskSchedule  # noqa: E402
from schedules_app.records import NewSchedule  # noqa: E402
from tasks_app.store import database_now  # noqa: E402

BATCH = 1000
SETTLING_SECONDS = 3
SLOWEST_STORING = 800
"""Schedules per second that can be stored even on a busy machine."""
AGES = 300
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
Fields = dict[str, Any]
# Mixed kinds, as clients have them: days in a zone with summer time, hours, and shorter ones.
INTERVALS: tuple[Fields, ...] = (
    {"every_x_days": 1, "timezone": BERLIN},
    {"every_x_hours": 6},
    {"every_x_days": 7, "schedule_x_times": 10},
    {"every_x_minutes": 90, "jitter_seconds": 30},
    {"every_x_days": 1, "timezone": NEW_YORK},
)


def prepare(number: int) -> None:
    """Store schedules of ten kinds that are all due at one moment, each as old as its neighbours are not."""
    due = _working_day(database_now())
    kinds = _kinds(due)
    for begin in range(0, number, BATCH):
        new = [_aged(n, due, kinds[n % len(kinds)]) for n in range(begin, min(number, begin + BATCH))]
        stored = store.create(new, due - timedelta(seconds=1))
        if {schedule.next_run_at for schedule in stored} != {due}:
            sys.exit("not every schedule is due at the same moment")


def spread(number: int, seconds: float) -> None:
    """Store intervals whose first occurrences spread evenly over some seconds; prints when they begin."""
    first = database_now() + timedelta(seconds=SETTLING_SECONDS + number / SLOWEST_STORING)
    for begin in range(0, number, BATCH):
        some = range(begin, min(number, begin + BATCH))
        store.create(
            [
                _new(n, first + timedelta(seconds=seconds * n / number), INTERVALS[n % len(INTERVALS)])
                for n in some
            ]
        )
    if database_now() > first:
        sys.exit("storing the schedules took longer than until the first was due")
    print(first.timestamp())


def _working_day(now: datetime) -> datetime:
    """The last 09:00 UTC of a working day, which no zone in use here leaves out or has twice."""
    due = now.replace(hour=9, minute=0, second=0, microsecond=0)
    while due >= now or due.weekday() > 4:
        due -= timedelta(days=1)
    return due


def _kinds(due: datetime) -> tuple[Fields, ...]:
    """Half intervals, three cron expressions, two RRULEs."""
    hour = due.astimezone(ZoneInfo(BERLIN)).hour
    labelled = {
        "operation": "bench.label",
        "arguments": {"text": "{{ occurrence }} of {{ schedule_id }}", "y": 1},
    }
    return (
        *INTERVALS,
        {"cron": "0 9 * * MON-FRI", **labelled},
        {"cron": "*/15 8-18 * * *", "jitter_seconds": 30},
        {"cron": f"0 {hour} * * *", "timezone": BERLIN},
        {"rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "timezone": NEW_YORK},
        # Since its start gives no time of day, none of these has the start of another.
        {"rrule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0"},
    )


def _aged(number: int, due: datetime, kind: Fields) -> NewSchedule:
    """A schedule that began up to 300 of its steps ago, or a second more for each where that makes no difference."""
    age = number // 10 % AGES
    if "every_x_hours" in kind or "every_x_minutes" in kind:
        step = timedelta(hours=kind.get("every_x_hours", 0), minutes=kind.get("every_x_minutes", 0))
        return _new(number, due - age * step, kind)
    if "cron" in kind or "BYHOUR" in kind.get("rrule", ""):
        return _new(number, due - timedelta(days=age, seconds=number), kind)
    days = age * kind.get("every_x_days", 1)
    wall = due.astimezone(ZoneInfo(kind.get("timezone", "UTC"))) - timedelta(days=days)
    return _new(number, wall.astimezone(UTC), kind)


def _new(number: int, starts_at: datetime, kind: Fields) -> NewSchedule:
    fields: Fields = {"operation": "bench.add", "arguments": {"x": number, "y": 1}, **kind}
    return NewSchedule(
        starts_at=starts_at, priority=number % 10, max_attempts=3, timeout_seconds=300.0, **fields
    )


def fire(seconds: float) -> None:
    """Fire until none is due, as the tick does; prints how many schedules in how many seconds."""
    garbage.settle()  # as the scheduler worker's processes
    last = TaskSchedule.objects.aggregate(last=Max("next_run_at"))["last"] or database_now()
    now = last + timedelta(seconds=1)
    began, schedules, tasks = time.monotonic(), 0, 0
    while time.monotonic() - began < seconds:
        fired = store.fire_due(now)
        if not fired.schedules:
            break
        schedules, tasks = schedules + fired.schedules, tasks + fired.tasks
    print(json.dumps({"schedules": schedules, "tasks": tasks, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", number]:
            prepare(int(number))
        case ["spread", number, seconds]:
            spread(int(number), float(seconds))
        case ["fire", seconds]:
            fire(float(seconds))
