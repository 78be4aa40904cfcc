"""The reads that HTTP, health and admin share. They change nothing, and none of them counts a table."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Q, QuerySet

from schedules_app.models import Occurrence, TaskSchedule
from tasks_app.models import Task


class ScheduleStatus(StrEnum):
    """Where a schedule stands; derived from its row, never stored."""

    ACTIVE = "ACTIVE"  # it has a next occurrence, which will be fired
    PAUSED = "PAUSED"  # it has one, which will not be fired before somebody resumes it
    FINISHED = "FINISHED"  # it has none: it ended, or has created all its tasks


_CONDITIONS = {
    ScheduleStatus.ACTIVE: Q(paused_at__isnull=True, next_run_at__isnull=False),
    ScheduleStatus.PAUSED: Q(paused_at__isnull=False, next_run_at__isnull=False),
    ScheduleStatus.FINISHED: Q(next_run_at__isnull=True),
}


def status_of(schedule: TaskSchedule) -> ScheduleStatus:
    """Where the schedule stands."""
    if schedule.next_run_at is None:
        return ScheduleStatus.FINISHED
    return ScheduleStatus.ACTIVE if schedule.paused_at is None else ScheduleStatus.PAUSED


def all_schedules() -> QuerySet[TaskSchedule]:
    """Every task schedule, in no order."""
    return TaskSchedule.objects.all()


def with_status(schedules: QuerySet[TaskSchedule], statuses: list[str]) -> QuerySet[TaskSchedule]:
    """Those of the schedules that stand in one of these statuses."""
    wanted = Q()
    for status in statuses:
        wanted |= _CONDITIONS[ScheduleStatus(status)]
    return schedules.filter(wanted)


def find(schedule_id: UUID) -> TaskSchedule | None:
    """The schedule with this id."""
    return TaskSchedule.objects.filter(task_schedule_id=schedule_id).first()


def tasks_of(schedule_id: UUID) -> QuerySet[Task]:
    """The tasks that a schedule created, in no order; retention may have taken the older ones."""
    return Task.objects.filter(task_schedule=schedule_id)


def occurrences_of(schedule_id: UUID) -> QuerySet[Occurrence]:
    """The ledger of a schedule, in no order."""
    return Occurrence.objects.filter(task_schedule_id=schedule_id)


def oldest_due_at() -> datetime | None:
    """The earliest `next_run_at` of the active schedules: in the past if ticks are late. None if none is active."""
    active = TaskSchedule.objects.filter(_CONDITIONS[ScheduleStatus.ACTIVE]).order_by("next_run_at")
    return active.values_list("next_run_at", flat=True).first()
