"""The store's verbs that take tasks away: cancel, delete, prune. For `store` only, which has them as its own."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from tasks_app import metering, sql
from tasks_app.callbacks import outbox
from tasks_app.lifecycle import WAITING, Status
from tasks_app.models import Attempt, Task

PRUNE_SLICE = 250
"""Rows per transaction of a pruning. Deleting writes more than an update does: 1,000 took up to 175 ms."""


def cancel(
    task_ids: Iterable[UUID], now: datetime | None = None, *, project_id: int | None = None
) -> set[UUID]:
    """End waiting tasks as CANCELLED and ask running ones to stop; the ids of the tasks that this changed.

    With `project_id`, here and below, only that project's tasks are there.

    A running task ends as CANCELLED only when its handler heeds the request; a success that wins the race stands.
    """
    moment = now or sql.clock()
    chosen = of_project(project_id).filter(task_id__in=list(task_ids))
    with transaction.atomic():
        waiting = _lock(chosen.filter(status__in=WAITING), skip_locked=False)
        kinds = Task.objects.filter(task_id__in=waiting).values_list("operation", "queue")
        metering.finished((operation, queue, Status.CANCELLED) for operation, queue in kinds)
        Task.objects.filter(task_id__in=waiting).update(
            status=Status.CANCELLED, finished_at=moment, cancel_requested_at=moment
        )
        running = _lock(chosen.filter(status=Status.STARTED, cancel_requested_at=None), skip_locked=False)
        Task.objects.filter(task_id__in=running).update(cancel_requested_at=moment)
    return {*waiting, *running}


def delete(task_id: UUID, *, project_id: int | None = None) -> bool:
    """Remove a task that has not begun; False when it has, or does not exist."""
    waiting = [Status.SCHEDULED, Status.PENDING]
    untouched = of_project(project_id).filter(task_id=task_id, attempt=0, status__in=waiting)
    return untouched.delete()[0] == 1


def delete_all(task_ids: Iterable[UUID]) -> set[UUID]:
    """As `delete`, for many; the ids of those that are gone."""
    untouched = Task.objects.filter(
        task_id__in=list(task_ids), attempt=0, status__in=[Status.SCHEDULED, Status.PENDING]
    )
    with transaction.atomic():
        ids = _lock(untouched, skip_locked=False)
        Task.objects.filter(task_id__in=ids).delete()
    return set(ids)


def prune(status: Status, before: datetime, limit: int = PRUNE_SLICE) -> int:
    """Delete terminal tasks of one status that finished before a moment, with their attempts; how many."""
    with transaction.atomic():
        old = Task.objects.filter(status=status, finished_at__isnull=False, finished_at__lt=before)
        ids = _lock(outbox.told(old).order_by("finished_at"), limit=limit)
        outbox.forget(ids)
        Attempt.objects.filter(task_id__in=ids).delete()
        Task.objects.filter(task_id__in=ids).delete()
    return len(ids)


def of_project(project_id: int | None) -> QuerySet[Task]:
    """The tasks of a project; None: of all."""
    return Task.objects.all() if project_id is None else Task.objects.filter(project_id=project_id)


def _lock(chosen: QuerySet[Task], *, limit: int | None = None, skip_locked: bool = True) -> list[UUID]:
    # SQLite has no row locks; its IMMEDIATE transactions are alone already.
    locked = chosen.select_for_update(skip_locked=skip_locked)
    if not skip_locked:
        locked = locked.order_by("task_id")  # two cancels of the same tasks must not deadlock
    return list(locked.values_list("task_id", flat=True)[:limit])
