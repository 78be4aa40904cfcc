"""django-celery-beat's scheduler: `python -m bench.peers.standard.beat prepare <number> | fire <number> <seconds>`."""

import json
import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.standard.settings")

import django

django.setup()

from datetime import timedelta  # noqa: E402

from django.utils.timezone import now  # noqa: E402
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks  # noqa: E402
from django_celery_beat.schedulers import DatabaseScheduler  # noqa: E402

from bench.peers.standard.celery import app  # noqa: E402


def prepare(number: int) -> None:
    """Store schedules that are due now."""
    intervals = [
        IntervalSchedule.objects.create(every=every, period=period)
        for every, period in ((1, "days"), (6, "hours"), (7, "days"), (90, "minutes"), (24, "hours"))
    ]
    last = now() - timedelta(days=8)
    PeriodicTask.objects.bulk_create(
        [
            PeriodicTask(
                name=f"task {n}",
                task="bench.add",
                args=json.dumps([n, 1]),
                interval=intervals[n % 5],
                last_run_at=last,
            )
            for n in range(number)
        ],
        batch_size=1000,
    )
    PeriodicTasks.update_changed()


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
