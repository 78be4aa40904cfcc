"""Schedules, stored and fired through their store.

`python -m bench.ours.tick prepare <number> | spread <number> <seconds> | fire <seconds>`
"""

import json
import sys
import time
from datetime import datetime, timedelta

import django

django.setup()

from schedules_app import store  # noqa: E402 - Django first
from schedules_app.records import NewSchedule  # noqa: E402
from tasks_app.store import database_now  # noqa: E402

BATCH = 1000
SETTLING_SECONDS = 3
SLOWEST_STORING = 800
"""Schedules per second that can be stored even on a busy machine."""
# Mixed kinds: days in a zone with summer time, hours, and shorter ones, as clients have them.
KINDS = (
    {"every_x_days": 1, "timezone": "Europe/Berlin"},
    {"every_x_hours": 6},
    {"every_x_days": 7, "schedule_x_times": 10},
    {"every_x_minutes": 90},
    {"every_x_hours": 24, "timezone": "America/New_York"},
)


def prepare(number: int) -> None:
    """Store schedules whose first occurrence is now."""
    for begin in range(0, number, BATCH):
        store.create([_new(n) for n in range(begin, min(number, begin + BATCH))])


def spread(number: int, seconds: float) -> None:
    """Store schedules whose first occurrences spread evenly over some seconds; prints when they begin."""
    first = database_now() + timedelta(seconds=SETTLING_SECONDS + number / SLOWEST_STORING)
    for begin in range(0, number, BATCH):
        some = range(begin, min(number, begin + BATCH))
        store.create([_new(n, first + timedelta(seconds=seconds * n / number)) for n in some])
    if database_now() > first:
        sys.exit("storing the schedules took longer than until the first was due")
    print(first.timestamp())


def _new(number: int, starts_at: datetime | None = None) -> NewSchedule:
    return NewSchedule(
        starts_at=starts_at,
        operation="bench.add",
        arguments={"x": number, "y": 1},
        priority=number % 10,
        max_attempts=3,
        timeout_seconds=300.0,
        **KINDS[number % len(KINDS)],
    )


def fire(seconds: float) -> None:
    """Fire until none is due, as the tick does; prints how many schedules in how many seconds."""
    now = database_now() + timedelta(seconds=1)
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
