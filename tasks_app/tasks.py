"""Celery entry points: fetch, call, return. They are bells, not tasks of the store; Flower is not told of them."""

from datetime import timedelta

from celery import Task as CeleryTask
from celery import shared_task
from django.conf import settings

from tasks_app import idempotency, store
from tasks_app.drain import worker
from tasks_app.lifecycle import Status
from tasks_app.rescue import Rescuer

MOST_SLICES = 20
"""Slices per call of a sweep: the next call comes within a second, and another sweep may wait behind this one."""
MOST_PRUNINGS = 80
"""Slices per status of one pruning: 20,000 tasks a minute."""


rescuer = Rescuer()


@shared_task(name="tasks_app.tasks.drain", bind=True, ignore_result=True, send_events=False)
def drain(self: CeleryTask, queue: str) -> None:
    """Work off a queue."""
    worker().drain(queue, self.request.hostname or "worker", settings.CONFIG.drain_seconds)


@shared_task(name="tasks_app.tasks.sweep", ignore_result=True, send_events=False)
def sweep() -> None:
    """Expire, promote, and ring for what waits."""
    for verb in (store.expire, store.promote):
        for _ in range(MOST_SLICES):
            if verb() < store.SWEEP_SLICE:
                break
    store.ring_waiting()


@shared_task(name="tasks_app.tasks.rescue", ignore_result=True, send_events=False)
def rescue() -> None:
    """Take tasks from workers whose lease ran out."""
    rescuer.look()


@shared_task(name="tasks_app.tasks.prune", ignore_result=True, send_events=False)
def prune() -> None:
    """Delete terminal tasks and kept answers whose retention is over."""
    config = settings.CONFIG
    days = {
        Status.SUCCESS: config.retention_success_days,
        Status.ERROR: config.retention_error_days,
        Status.CANCELLED: config.retention_cancelled_days,
        Status.EXPIRED: config.retention_expired_days,
    }
    now = store.database_now()
    for status, kept in days.items():
        for _ in range(MOST_PRUNINGS if kept else 0):
            if store.prune(status, now - timedelta(days=kept)) < store.PRUNE_SLICE:
                break
    for _ in range(MOST_SLICES):
        if not idempotency.prune(now - timedelta(hours=config.idempotency_hours)):
            break
