"""Celery entry points: fetch, call, return. They are bells, not tasks of the store; Flower is not told of them."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from celery import Task as CeleryTask
from celery import shared_task
from django.conf import settings

from access_app import audit, sessions
from tasks_app import idempotency, store
from tasks_app.callbacks import delivery
from tasks_app.drain import worker
from tasks_app.ids import first_id
from tasks_app.lifecycle import Status
from tasks_app.portions import go_on, portion
from tasks_app.rescue import Rescuer

MOST_SLICES = 20
"""Slices of kept answers, of the audit log and of sessions per pruning."""
MOST_PRUNINGS = 80
"""Slices per status of one pruning: 20,000 tasks a minute."""


rescuer = Rescuer()


@shared_task(name="tasks_app.tasks.drain", bind=True, ignore_result=True, send_events=False)
def drain(self: CeleryTask, queue: str) -> None:
    """Work off a queue."""
    worker().drain(queue, self.request.hostname or "worker", settings.CONFIG.drain_seconds)


@shared_task(name="tasks_app.tasks.sweep", ignore_result=True, send_events=False)
def sweep() -> bool:
    """Promote, expire, ring for what waits, tell of ends, each for a portion of time; whether something is left."""
    is_left = [_work_off(store.promote, store.SWEEP_SLICE), _work_off(store.expire, store.SWEEP_SLICE)]
    store.ring_waiting()
    # Last: an end that cannot be told, whatever the reason, must not keep due tasks from their workers.
    is_left.append(_work_off(delivery.deliver, delivery.SLICE))
    return any(is_left) and go_on("tasks_app.tasks.sweep")


def _work_off(verb: Callable[[], int], size: int) -> bool:
    is_over = portion()
    while verb() >= size:
        if is_over():
            return True
    return False


@shared_task(name="tasks_app.tasks.rescue", ignore_result=True, send_events=False)
def rescue() -> None:
    """Take tasks from workers whose lease ran out."""
    rescuer.look()


@shared_task(name="tasks_app.tasks.prune", ignore_result=True, send_events=False)
def prune(slices: str | int = MOST_PRUNINGS) -> bool:
    """Delete what is kept no longer: ended tasks, for a portion of time; answers, entries of the audit log, sessions.

    `slices` is how many tasks of each status may still be deleted until beat sends the next pruning. Returns whether
    some may be left.
    """
    left, is_over, now = int(slices), portion(), store.database_now()
    old = {status: now - timedelta(days=kept) for status, kept in _retention().items() if kept}
    while old and left:
        old = {status: at for status, at in old.items() if store.prune(status, at) == store.PRUNE_SLICE}
        left -= 1
        if is_over():
            return go_on("tasks_app.tasks.prune", str(left))
    answered_before = now - timedelta(hours=settings.CONFIG.idempotency_hours)
    _in_slices(partial(idempotency.prune, answered_before))
    if kept := settings.CONFIG.retention_audit_days:
        _in_slices(partial(audit.prune, first_id(now - timedelta(days=kept))))
    _in_slices(partial(sessions.prune, now))
    return False


def _in_slices(prune_some: Callable[[], int]) -> None:
    for _ in range(MOST_SLICES):
        if not prune_some():
            break


def _retention() -> dict[Status, float]:
    """Days for which ended tasks are kept, by their status."""
    config = settings.CONFIG
    return {
        Status.SUCCESS: config.retention_success_days,
        Status.ERROR: config.retention_error_days,
        Status.CANCELLED: config.retention_cancelled_days,
        Status.EXPIRED: config.retention_expired_days,
    }
