"""Run a schedule's task now, beside its rule."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from schedules_app import metering, sql
from schedules_app.firing import Firing, later
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Origin, Overlap, Reason
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.store import overrides
from schedules_app.store.editing import lock
from tasks_app import store as task_store
from tasks_app.lifecycle import TERMINAL
from tasks_app.models import Task
from tasks_app.records import NewTask


@dataclass(frozen=True, slots=True)
class Triggered:
    """What became of a manual run; `task` is None when the verdict is SKIPPED."""

    verdict: str
    occurrence: Occurrence
    task: Task | None


def trigger(
    schedule_id: UUID,
    now: datetime | None = None,
    *,
    obey_overlap: bool = False,
    arguments: Mapping[str, Any] | None = None,
    project_id: int | None = None,
) -> Triggered | None:
    """Create a task like the schedule's now, also of a paused or finished one; None when there is no such schedule.

    The run has a row in the ledger, of origin manual, whose nominal time is now, and counts for no limit. With
    `obey_overlap` it is skipped while a task of the schedule has not finished or an occurrence waits, or cancels that
    task, as the schedule's policy says; it never waits itself. `arguments`, already validated, replace the schedule's.
    """
    moment = now or task_store.database_now()
    with transaction.atomic():
        schedule = lock(schedule_id, project_id)
        if schedule is None:
            return None
        row = Occurrence(
            task_schedule=schedule,
            occurs_at=_free_time(schedule, moment),
            verdict="FIRED",
            origin=Origin.MANUAL,
            decided_at=moment,
            revision=schedule.revision,
        )
        if obey_overlap and not _may_run(schedule, moment):
            row.verdict, row.reason = "SKIPPED", Reason.OVERLAP
            row.save(force_insert=True)
            metering.decided(others=[row])
            return Triggered(row.verdict, row, None)
        if arguments is not None:
            schedule.arguments = dict(arguments)
        new = _task(schedule, row.occurs_at, moment)
        row.task_id = new.task_id
        row.save(force_insert=True)
        metering.decided(others=[row])
        [task] = task_store.create([new], moment)
    return Triggered(row.verdict, row, task)


def at_once(schedule: TaskSchedule, times: tuple[datetime, ...], now: datetime) -> list[NewTask]:
    """The tasks of these nominal times, to run as of now: what nobody could have run earlier does not go first."""
    tasks = Firing(schedule=schedule, now=now, fires=times).tasks()
    seconds = schedule.expires_after_seconds
    expires_at = None if seconds is None else later(now, seconds)
    return [replace(task, run_at=now, expires_at=expires_at) for task in tasks]


def _task(schedule: TaskSchedule, occurs_at: datetime, now: datetime) -> NewTask:
    [task] = at_once(schedule, (occurs_at,), now)
    return task


def _free_time(schedule: TaskSchedule, moment: datetime) -> datetime:
    """`moment`, or the next microsecond that neither the ledger nor the rule has: there is one row for each time."""
    while _is_taken(schedule, moment):
        moment += datetime.resolution
    return moment


def _is_taken(schedule: TaskSchedule, moment: datetime) -> bool:
    if Occurrence.objects.filter(task_schedule=schedule, occurs_at=moment).exists():
        return True
    if schedule.next_run_at is None or moment < schedule.next_run_at:
        return False
    try:
        # A tick would take the row for the verdict on the rule's own occurrence.
        return overrides.item_at(schedule, moment) is not None
    except InvalidRecurrence:
        return False


def _may_run(schedule: TaskSchedule, now: datetime) -> bool:
    """Apply the overlap policy to a run at this moment."""
    if schedule.overlap == Overlap.ALLOW:
        return True
    is_busy = schedule.buffered_count > 0 or bool(sql.running([schedule.task_schedule_id]))
    if is_busy and schedule.overlap == Overlap.CANCEL_PREVIOUS:
        mine = Task.objects.filter(task_schedule=schedule.task_schedule_id).exclude(status__in=TERMINAL)
        task_store.cancel(mine.values_list("task_id", flat=True), now)
        return True
    return not is_busy
