"""django-q2: `python -m bench.peers.djangoq_app <verb> …`.

Verbs: prepare, fill <number>, schedules <number>, fire <number> <seconds>.
"""

import json
import os
import sys
import time

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.peers.djangoq_settings"

import django

django.setup()

from datetime import timedelta  # noqa: E402

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils.timezone import now  # noqa: E402
from django_q.models import OrmQ, Schedule  # noqa: E402
from django_q.scheduler import scheduler  # noqa: E402
from django_q.tasks import async_task  # noqa: E402

ADD = "bench.peers.djangoq_app.add"
INTERVALS = (
    {"schedule_type": Schedule.DAILY},
    {"schedule_type": Schedule.MINUTES, "minutes": 360},
    {"schedule_type": Schedule.WEEKLY},
    {"schedule_type": Schedule.MINUTES, "minutes": 90},
    {"schedule_type": Schedule.MINUTES, "minutes": 1440},
)


def add(x: int, y: int) -> int:
    """Adds two numbers."""
    return x + y


def prepare() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0)


def fill(number: str) -> None:
    """One call each, as it has no other; in one commit."""
    with transaction.atomic():
        for value in range(int(number)):
            async_task(ADD, value, 1)


def schedules(number: str) -> None:
    """Store schedules that are due now."""
    due = now() - timedelta(seconds=1)
    Schedule.objects.bulk_create(
        [
            Schedule(name=f"task {n}", func=ADD, args=f"{n}, 1", next_run=due, **INTERVALS[n % 5])
            for n in range(int(number))
        ],
        batch_size=1000,
    )


def fire(number: str, seconds: str) -> None:
    """Schedule as its cluster does; prints how many in how many seconds. One call fires all, in one transaction."""
    began = time.monotonic()
    while OrmQ.objects.count() < int(number) and time.monotonic() - began < float(seconds):
        scheduler()
    print(json.dumps({"schedules": OrmQ.objects.count(), "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    {"prepare": prepare, "fill": fill, "schedules": schedules, "fire": fire}[sys.argv[1]](*sys.argv[2:])
