"""Keep the tables of schedules in order: rows of older processes, and rows whose retention is over."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from schedules_app import sql
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.store.withdrawal import look_at
from tasks_app.lifecycle import TERMINAL
from tasks_app.models import Task

PRUNE_SLICE = 250
"""Rows per transaction of a pruning, as of tasks."""
MEND_SLICE = 500
_LOOKS = 40


def mend() -> int:
    """Give schedules their `due_at` that an older process, which knows none, has left without; how many."""
    stranded = TaskSchedule.objects.filter(
        due_at__isnull=True, paused_at__isnull=True, next_run_at__isnull=False
    )
    # In this order SQLite, too, reads the index of just these rows, and not that of all next runs.
    stranded = stranded.order_by("task_schedule_id")
    if sql.is_empty(stranded):
        return 0
    with transaction.atomic():
        locked = stranded.select_for_update(skip_locked=True, no_key=True)
        schedules = list(locked[:MEND_SLICE])
        for schedule in schedules:
            schedule.due_at = look_at(schedule)
        TaskSchedule.objects.bulk_update(schedules, ["due_at"])
    return len(schedules)


class Pruner:
    """Deletes old rows of the ledger in the order of their ids, which is about that in which they were decided on.

    A row that must stay is passed by: the next look begins behind it. So rows that stay never hold up the others, and
    no look reads more than it deletes, but for _LOOKS slices.
    """

    def __init__(self) -> None:
        self.behind = 0

    def prune(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` rows; 0: none is left that is old enough, and the next look begins anew."""
        for _ in range(_LOOKS):
            rows = list(Occurrence.objects.filter(id__gt=self.behind).order_by("id")[:limit])
            old = [row for row in rows if row.decided_at < before]
            if not old:
                break
            self.behind = old[-1].pk
            if deleted := _delete(_removable(old, before)):
                return deleted
        else:
            return 0
        self.behind = 0
        return 0


_pruner = Pruner()


def prune_ledger(before: datetime, limit: int = PRUNE_SLICE) -> int:
    """Delete a slice of the rows that were decided on before a moment; how many, 0 when none is left for now.

    Rows of occurrences at or after that moment stay, and those of tasks that have not ended.
    """
    return _pruner.prune(before, limit)


def _removable(rows: Sequence[Occurrence], before: datetime) -> list[int]:
    past = [row for row in rows if (row.last_occurs_at or row.occurs_at) < before]
    unknown = [row.task_id for row in past if row.task_id is not None and not row.task_status]
    unfinished: set[UUID] = set(
        Task.objects.filter(task_id__in=unknown)
        .exclude(status__in=TERMINAL)
        .values_list("task_id", flat=True)
    )
    return [row.pk for row in past if row.task_id not in unfinished]


def _delete(ids: Sequence[int]) -> int:
    if not ids:
        return 0
    with transaction.atomic():
        # Whoever notes an outcome in one of them is not waited for, and so cannot be deadlocked with.
        locked = Occurrence.objects.filter(id__in=ids).select_for_update(skip_locked=True)
        free = list(locked.values_list("id", flat=True))
        return Occurrence.objects.filter(id__in=free).delete()[0]
