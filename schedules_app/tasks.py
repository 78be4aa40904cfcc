"""The Celery entry points of schedules: thin, each a few bounded calls of the store."""

import time
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from schedules_app import store
from schedules_app.store.ticking import next_firing
from tasks_app import punctual
from tasks_app import store as task_store

TICK_SECONDS = 5.0
"""How long one tick goes on while more is due: sweeps wait behind it in the same queue."""
SETTLE_SECONDS = 1.0
MOST_PRUNINGS = 80
"""Slices per call: 20,000 rows a minute."""


@shared_task(name="schedules_app.tasks.tick", ignore_result=True, send_events=False)
def tick() -> None:
    """Fire due schedules, then backfills, slice by slice, until nothing is left or the time is spent."""
    deadline = time.monotonic() + TICK_SECONDS
    while (store.fire_due().schedules or store.work_backfills()) and time.monotonic() < deadline:
        pass


@shared_task(name="schedules_app.tasks.keep_time", ignore_result=True, send_events=False)
def keep_time() -> None:
    """For about a second: fire schedules and promote tasks at their moments, where ticks and sweeps come later."""
    punctual.keep(
        [
            punctual.Duty(next_firing, store.fire_due),
            punctual.Duty(task_store.next_promotion, task_store.promote),
        ]
    )


@shared_task(name="schedules_app.tasks.settle", ignore_result=True, send_events=False)
def settle() -> None:
    """Note how tasks ended, and which schedules had to succeed by now."""
    deadline = time.monotonic() + SETTLE_SECONDS
    for look in (store.mend, store.settle, store.check_success):
        while look() and time.monotonic() < deadline:
            pass


@shared_task(name="schedules_app.tasks.prune_ledger", ignore_result=True, send_events=False)
def prune_ledger() -> None:
    """Delete rows of the ledger whose retention is over."""
    days = settings.CONFIG.retention_occurrences_days
    if not days:
        return
    before = task_store.database_now() - timedelta(days=days)
    for _ in range(MOST_PRUNINGS):
        if not store.prune_ledger(before):
            break
