"""APScheduler: `python -m bench.peers.apscheduler_app prepare <number> | fire <number> <seconds>`."""

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
# The nearest of its kinds to those of `bench.ours.tick`, in the same shares.
TRIGGERS = (
    ("cron", {"hour": 10, "minute": 0, "timezone": BERLIN}),
    ("interval", {"hours": 6}),
    ("interval", {"days": 7}),
    ("interval", {"minutes": 90, "jitter": 30}),
    ("cron", {"hour": 4, "minute": 0, "timezone": NEW_YORK}),
    ("cron", {"hour": 9, "minute": 0, "day_of_week": "mon-fri"}),
    ("cron", {"hour": "8-18", "minute": "*/15", "jitter": 30}),
    ("cron", {"hour": 11, "minute": 0, "timezone": BERLIN}),
    ("cron", {"hour": 5, "minute": 0, "day_of_week": "mon-fri", "timezone": NEW_YORK}),
    ("cron", {"hour": 9, "minute": 0}),
)
_fired = 0
_lock = threading.Lock()


def add(x: int, y: int) -> int:
    """Adds two numbers, and counts."""
    global _fired
    with _lock:
        _fired += 1
    return x + y


def scheduler() -> BackgroundScheduler:
    """With its own table, on the same PostgreSQL."""
    url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg2://")
    defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 10}
    return BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(url)},
        executors={"default": ThreadPoolExecutor(2)},
        job_defaults=defaults,
        timezone=UTC,
    )


def prepare(number: int) -> None:
    """Store schedules that are due soon after."""
    made = scheduler()
    made.start(paused=True)
    due = datetime.now(UTC) - timedelta(seconds=1)
    for n in range(number):
        kind, fields = TRIGGERS[n % len(TRIGGERS)]
        made.add_job("bench.peers.apscheduler_app:add", kind, (n, 1), next_run_time=due, **fields)
    os._exit(0)  # a shutdown would process them once more, and fail


def fire(number: int, seconds: float) -> None:
    """Run until all have fired; prints how many in how many seconds."""
    from bench.peers import apscheduler_app as me  # what the stored reference means, not __main__

    made = scheduler()
    began = time.monotonic()
    made.start()
    while me._fired < number and time.monotonic() - began < seconds:
        time.sleep(0.01)
    print(json.dumps({"schedules": me._fired, "seconds": time.monotonic() - began}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]))
    else:
        fire(int(sys.argv[2]), float(sys.argv[3]))
