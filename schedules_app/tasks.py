"""The Celery entry points of schedules: thin, each a few bounded calls of the store."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from schedules_app import store
from schedules_app.store.ticking import has_work, next_firing
from tasks_app import punctual
from tasks_app import store as task_store
from tasks_app.portions import go_on, portion

MOST_PRUNINGS = 80
"""Slices per call: 20,000 rows a minute."""


@shared_task(name="schedules_app.tasks.tick", ignore_result=True, send_events=False)
def tick() -> bool:
    """Fire due schedules, then backfills, slice by slice, for a portion of time; whether something may be left.

    What becomes due meanwhile is the next tick's: a tick that ran after a steady stream of schedules would fire a
    handful per transaction, at several times the price.
    """
    is_over, now = portion(), task_store.database_now()
    if not has_work(now):
        return False
    while store.fire_due(now).schedules or store.work_backfills():
        if is_over():
            return go_on("schedules_app.tasks.tick")
    return False


@shared_task(name="schedules_app.tasks.keep_time", ignore_result=True, send_events=False)
def keep_time() -> None:
    """For about a second: fire schedules and promote tasks at their moments, where ticks and sweeps come later."""
    punctual.keep(
        [
            punctual.Duty(next_firing, lambda: store.fire_due().schedules),
            punctual.Duty(task_store.next_promotion, task_store.promote),
        ]
    )


@shared_task(name="schedules_app.tasks.settle", ignore_result=True, send_events=False)
def settle() -> bool:
    """Note how tasks ended, and which schedules had to succeed by now; whether something may be left."""
    is_over = portion()
    for look in (store.mend, lambda: store.settle(is_over), store.check_success):
        while look():
            if is_over():
                return go_on("schedules_app.tasks.settle")
    return False


@shared_task(name="schedules_app.tasks.prune_ledger", ignore_result=True, send_events=False)
def prune_ledger(slices: str | int = MOST_PRUNINGS) -> bool:
    """Delete rows of the ledger whose retention is over, for a portion of time; whether something may be left."""
    days, left, is_over = settings.CONFIG.retention_occurrences_days, int(slices), portion()
    if not days:
        return False
    before = task_store.database_now() - timedelta(days=days)
    while left and store.prune_ledger(before):
        left -= 1
        if is_over():
            return go_on("schedules_app.tasks.prune_ledger", str(left))
    return False
