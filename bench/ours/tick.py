"""Fire schedules that are all due at once: `python -m bench.ours.tick <prepare|fire> <number> <seconds>`."""

import json
import sys
import time
from datetime import timedelta

import django

django.setup()

from schedules_app import store  # noqa: E402 - Django first
from schedules_app.records import NewSchedule  # noqa: E402
from tasks_app.store import database_now  # noqa: E402

BATCH = 1000
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


def _new(number: int) -> NewSchedule:
    return NewSchedule(
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
    {"prepare": lambda: prepare(int(sys.argv[2])), "fire": lambda: fire(float(sys.argv[2]))}[sys.argv[1]]()
