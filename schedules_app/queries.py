"""The reads that HTTP, health and admin share. They change nothing, and none of them counts a table."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import F, Q, QuerySet

from schedules_app.models import Backfill, Calendar, Occurrence, TaskSchedule
from schedules_app.records import Alert, Origin
from tasks_app.models import Task

MOST_ALERTS = 1000
"""As far as schedules with an alert are counted."""


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
    """Every task schedule with its calendars, in no order."""
    return TaskSchedule.objects.prefetch_related("calendars")


def with_status(schedules: QuerySet[TaskSchedule], statuses: list[str]) -> QuerySet[TaskSchedule]:
    """Those of the schedules that stand in one of these statuses."""
    wanted = Q()
    for status in statuses:
        wanted |= _CONDITIONS[ScheduleStatus(status)]
    return schedules.filter(wanted)


def find(schedule_id: UUID) -> TaskSchedule | None:
    """The schedule with this id."""
    return all_schedules().filter(task_schedule_id=schedule_id).first()


_ALERTS = {
    # The same words as in the partial index of alerts, or the planner would not use it.
    Alert.FAILING: Q(alert_after_failures__isnull=False, consecutive_failures__gte=F("alert_after_failures")),
    Alert.SUCCESS_OVERDUE: Q(success_overdue_since__isnull=False),
}


def alerts_of(schedule: TaskSchedule) -> list[Alert]:
    """What is wrong with the schedule."""
    limit = schedule.alert_after_failures
    is_failing = limit is not None and schedule.consecutive_failures >= limit
    is_overdue = schedule.success_overdue_since is not None
    return [*([Alert.FAILING] * is_failing), *([Alert.SUCCESS_OVERDUE] * is_overdue)]


def with_alert(schedules: QuerySet[TaskSchedule], alert: Alert | None = None) -> QuerySet[TaskSchedule]:
    """Those of the schedules that have this alert, or any."""
    any_alert = _ALERTS[Alert.SUCCESS_OVERDUE] | _ALERTS[Alert.FAILING]
    return schedules.filter(any_alert if alert is None else _ALERTS[alert])


def count_alerts() -> int:
    """How many schedules have an alert, as far as MOST_ALERTS."""
    # In the order of the index of alerts: without statistics PostgreSQL reads the whole table otherwise.
    return with_alert(TaskSchedule.objects.order_by("pk"))[:MOST_ALERTS].count()


def tasks_of(schedule_id: UUID) -> QuerySet[Task]:
    """The tasks that a schedule created, in no order; retention may have taken the older ones."""
    return Task.objects.filter(task_schedule=schedule_id)


def occurrences_of(schedule_id: UUID) -> QuerySet[Occurrence]:
    """The ledger of a schedule, in no order."""
    return Occurrence.objects.filter(task_schedule_id=schedule_id)


def laid_down_after(schedule_id: UUID, moment: datetime) -> list[datetime]:
    """The times after a moment whose tasks a schedule has created already."""
    rows = occurrences_of(schedule_id).filter(occurs_at__gt=moment, origin=Origin.SCHEDULE)
    return list(rows.exclude(verdict="SKIPPED").values_list("occurs_at", flat=True))


def fill_in_outcomes(occurrences: Sequence[Occurrence]) -> None:
    """Give occurrences, not their rows, the status of their tasks where the ledger does not know the outcome yet."""
    open_ones = [row for row in occurrences if row.task_id is not None and not row.task_status]
    tasks = Task.objects.only("status", "finished_at").in_bulk([row.task_id for row in open_ones])
    for row in open_ones:
        if task := tasks.get(row.task_id):
            row.task_status, row.task_finished_at = task.status, task.finished_at


def backfills_of(schedule_id: UUID) -> QuerySet[Backfill]:
    """The backfills of a schedule, in no order."""
    return Backfill.objects.filter(task_schedule_id=schedule_id)


def all_calendars() -> QuerySet[Calendar]:
    """Every calendar, in no order."""
    return Calendar.objects.all()


def calendars_named(names: Iterable[str]) -> list[Calendar]:
    """Those calendars of these names that exist."""
    return list(Calendar.objects.filter(name__in=list(names)).order_by("name"))


def due_before(moment: datetime, limit: int) -> list[TaskSchedule]:
    """The schedules that a tick has to look at before a moment, the earliest first, with their calendars."""
    due = all_schedules().filter(due_at__lt=moment).order_by("due_at")
    return list(due[:limit])


def oldest_due_at() -> datetime | None:
    """The `next_run_at` of the active schedule that a tick has to look at first, to TICK_AHEAD_SECONDS the earliest.

    In the past if ticks are late; None if no schedule is active.
    """
    # Not in the order of next_run_at: paused schedules, which have no due_at, would have to be walked past.
    active = TaskSchedule.objects.filter(_CONDITIONS[ScheduleStatus.ACTIVE], due_at__isnull=False)
    return active.order_by("due_at").values_list("next_run_at", flat=True).first()
