"""django-celery-beat's scheduler: `python -m bench.peers.standard.beat prepare <number> | fire <number> <seconds>`."""

import json
import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.standard.settings")

import django

django.setup()

from datetime import timedelta  # noqa: E402

from django.db.models import Model  # noqa: E402
from django.utils.timezone import now  # noqa: E402
from django_celery_beat.models import (  # noqa: E402
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
)
from django_celery_beat.schedulers import DatabaseScheduler  # noqa: E402

from bench.peers.standard.celery import app  # noqa: E402


def prepare(number: int) -> None:
    """Store schedules that are due now."""
    recurrences = _recurrences()
    last = now() - timedelta(days=8)
    PeriodicTask.objects.bulk_create(
        [
            PeriodicTask(
                name=f"task {n}",
                task="bench.add",
                args=json.dumps([n, 1]),
                **recurrences[n % len(recurrences)],
                last_run_at=last,
            )
            for n in range(number)
        ],
        batch_size=1000,
    )
    PeriodicTasks.update_changed()


def _recurrences() -> list[dict[str, Model]]:
    """The nearest of its kinds to those of `bench.ours.tick`, in the same shares."""

    def interval(every: int, period: str) -> dict[str, Model]:
        return {"interval": IntervalSchedule.objects.create(every=every, period=period)}

    def crontab(timezone: str = "UTC", **fields: str) -> dict[str, Model]:
        return {"crontab": CrontabSchedule.objects.create(timezone=timezone, minute="0", **fields)}

    return [
        crontab("Europe/Berlin", hour="10"),
        interval(6, "hours"),
        interval(7, "days"),
        interval(90, "minutes"),
        crontab("America/New_York", hour="4"),
        crontab(hour="9", day_of_week="1-5"),
        {"crontab": CrontabSchedule.objects.create(minute="*/15", hour="8-18")},
        crontab("Europe/Berlin", hour="11"),
        crontab("America/New_York", hour="5", day_of_week="1-5"),
        crontab(hour="8"),
    ]


def fire(number: int, seconds: float) -> None:
    """Tick until all were sent and are saved; prints how many in how many seconds, loading not included."""
    scheduler = DatabaseScheduler(app=app)
    _ = scheduler.schedule
    began = time.monotonic()
    sent = 0
    while sent < number and time.monotonic() - began < seconds:
        sent += scheduler.tick() == 0
    scheduler.sync()
    print(json.dumps({"schedules": sent, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]))
    else:
        fire(int(sys.argv[2]), float(sys.argv[3]))
