"""How tasks ended: from the tasks' rows into the ledger, which outlives them, and into the schedules' counters."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from schedules_app import sql
from schedules_app.models import Occurrence, TaskSchedule
from tasks_app.lifecycle import TERMINAL, Status
from tasks_app.models import Task

LOOK = 5_000
"""Rows of the ledger that one look goes through; the next goes on behind them."""
SLICE = 250
"""Rows per transaction: a tick passes over schedules that are locked."""

DELETED = "DELETED"
_FAILURES = {Status.ERROR, Status.EXPIRED}
_COUNTERS = ["consecutive_failures", "last_success_at", "last_failure_at", "success_overdue_since"]
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _End:
    """How the task of a row of the ledger ended."""

    row_id: int
    schedule_id: UUID
    status: str
    finished_at: datetime | None


class _Open(NamedTuple):
    """A row of the ledger whose task had not ended."""

    row_id: int
    schedule_id: UUID
    task_id: UUID


class Settler:
    """Goes round and round through the rows whose task had not ended, so that many of them cost no more per look."""

    def __init__(self) -> None:
        self.behind = 0

    def look(self, is_over: Callable[[], bool] = lambda: False) -> int:
        """Go through the next rows, or as far as the time allows; how many of them were settled."""
        rows = _open_after(self.behind)
        behind = rows[-1].row_id if len(rows) == LOOK else 0
        ends, settled = list(_ends(rows)), 0
        for begin in range(0, len(ends), SLICE):
            if begin and is_over():
                behind = ends[begin].row_id - 1
                break
            settled += _settle(ends[begin : begin + SLICE])
        self.behind = behind
        return settled


_settler = Settler()


def settle(is_over: Callable[[], bool] = lambda: False) -> int:
    """Note how tasks of the ledger ended, in one look at up to LOOK of its open rows; how many were settled.

    `is_over` is asked between its transactions: whether the look is to end, at least one slice further than it began.

    SUCCESS resets a schedule's `consecutive_failures`; ERROR and EXPIRED raise it; CANCELLED and tasks that are gone
    do neither. Any number of callers may do so at once: each end is counted once.
    """
    return _settler.look(is_over)


def _open_rows() -> QuerySet[Occurrence]:
    return Occurrence.objects.filter(task_id__isnull=False, task_status="")


def _open_after(behind: int) -> list[_Open]:
    # Not as models: making thousands of them took longer than what is done with them.
    rows = _open_rows().filter(id__gt=behind).order_by("id")
    found = rows.values_list("id", "task_schedule_id", "task_id")[:LOOK]
    return [_Open(*row) for row in found]  # type: ignore[arg-type]  # these rows have a task


def _ends(rows: Sequence[_Open]) -> Iterable[_End]:
    """The rows whose task has ended or is gone."""
    tasks: dict[UUID, tuple[str, datetime | None]] = {}
    keys = [row.task_id for row in rows]
    for begin in range(0, len(keys), 500):
        found = Task.objects.filter(task_id__in=keys[begin : begin + 500])
        tasks |= {
            key: (status, time) for key, status, time in found.values_list("pk", "status", "finished_at")
        }
    for row in rows:
        status, finished_at = tasks.get(row.task_id, (DELETED, None))
        if status == DELETED or status in TERMINAL:
            yield _End(row.row_id, row.schedule_id, status, finished_at)


def _settle(ends: Sequence[_End]) -> int:
    with transaction.atomic():
        # Who is locked is not waited for, the next look comes soon. The locks make the open rows below ours.
        free = TaskSchedule.objects.select_for_update(skip_locked=True, no_key=True).order_by(
            "task_schedule_id"
        )
        counted = free.filter(pk__in={end.schedule_id for end in ends}).only(*_COUNTERS)
        schedules = {item.pk: item for item in counted}
        chosen = _open_rows().filter(pk__in=[end.row_id for end in ends if end.schedule_id in schedules])
        mine = set(chosen.values_list("pk", flat=True))
        won = [end for end in ends if end.row_id in mine]
        _note(won)
        _count(schedules, won)
    return len(won)


def _note(ends: Sequence[_End]) -> None:
    """Write into the ledger what the tasks' rows say; terminal rows never change."""
    task = Task.objects.filter(task_id=OuterRef("task_id"))
    Occurrence.objects.filter(pk__in=[end.row_id for end in ends]).update(
        task_status=Coalesce(Subquery(task.values("status")), Value(DELETED)),
        task_finished_at=Subquery(task.values("finished_at")),
    )


def _count(schedules: dict[UUID, TaskSchedule], ends: Sequence[_End]) -> None:
    by_schedule: dict[UUID, list[_End]] = defaultdict(list)
    for end in ends:
        if end.status != DELETED and end.status != Status.CANCELLED:
            by_schedule[end.schedule_id].append(end)
    changed = [schedules[key] for key in by_schedule]
    for schedule in changed:
        for end in sorted(by_schedule[schedule.pk], key=lambda end: (end.finished_at, end.row_id)):
            _fold(schedule, end)
    sql.count([sql.Counters(item.pk, *(getattr(item, name) for name in _COUNTERS)) for item in changed])


def _fold(schedule: TaskSchedule, end: _End) -> None:
    time = end.finished_at
    assert time is not None, "the database holds this of every terminal task"  # for the type checker
    if end.status in _FAILURES:
        # A failure that ended before a success which was settled earlier says nothing about now.
        if schedule.last_success_at is None or time > schedule.last_success_at:
            schedule.consecutive_failures += 1
        schedule.last_failure_at = max(time, schedule.last_failure_at or time)
        return
    if schedule.last_failure_at is None or time >= schedule.last_failure_at:
        schedule.consecutive_failures = 0
    schedule.last_success_at = max(time, schedule.last_success_at or time)
    if schedule.success_overdue_since is not None and time >= schedule.success_overdue_since - _DAY:
        schedule.success_overdue_since = None
