"""The reads that HTTP, health and admin share. They change nothing, and none of them counts a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from django.db.models import Case, F, Model, Prefetch, Q, QuerySet, When

from access_app.principals import DEFAULT_PROJECT
from schedules_app.models import Backfill, Calendar, Occurrence, TaskSchedule
from schedules_app.records import Alert, BackfillStatus, Origin, Reason
from tasks_app.models import Task

HEAVY = ("arguments", "excluded_dates", "overrides")
"""Columns of schedules that may be large."""
MOST_ALERTS = 1000
"""As far as schedules with an alert are counted."""
MOST_LOOKED_AT = 100
"""So many schedules, and rows of the ledger, tell how long schedules wait, and when the last tick was."""

Owned = TypeVar("Owned", bound=Model)
"""A row with a project."""


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


def of_project(rows: QuerySet[Owned], project_id: int) -> QuerySet[Owned]:
    """Those of schedules or calendars that a project has."""
    if project_id == DEFAULT_PROJECT:
        # Of a plain comparison PostgreSQL expects one row in 200 as long as it has no statistics, and sorts the whole
        # table; of this one every second.
        return rows.filter(Case(When(project_id=DEFAULT_PROJECT, then=True), default=False))
    # SQLite uses a partial index for its own words only.
    return rows.filter(project_id=project_id).exclude(project_id=DEFAULT_PROJECT)


def schedules_of(project_id: int) -> QuerySet[TaskSchedule]:
    """A project's task schedules with their calendars, in no order."""
    return of_project(TaskSchedule.objects.prefetch_related("calendars"), project_id)


def with_names_of_calendars(schedules: QuerySet[TaskSchedule]) -> QuerySet[TaskSchedule]:
    """The schedules for a list: of their calendars, which may be large, as much as it shows."""
    names = Prefetch("calendars", Calendar.objects.only("name"))
    return schedules.prefetch_related(None).prefetch_related(names)


def with_status(schedules: QuerySet[TaskSchedule], statuses: list[str]) -> QuerySet[TaskSchedule]:
    """Those of the schedules that stand in one of these statuses."""
    wanted = Q()
    for status in statuses:
        wanted |= _CONDITIONS[ScheduleStatus(status)]
    return schedules.filter(wanted)


def find(schedule_id: UUID, project_id: int) -> TaskSchedule | None:
    """The project's schedule with this id."""
    mine = TaskSchedule.objects.filter(task_schedule_id=schedule_id, project_id=project_id)
    return mine.prefetch_related("calendars").first()


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


def owed_by_backfills(project_id: int) -> int:
    """How many tasks the running backfills of a project have still to create, by what they had counted."""
    running = Backfill.objects.filter(status=BackfillStatus.RUNNING)
    # In two steps and ungrouped: PostgreSQL without statistics would look for those of each schedule of the project,
    # SQLite walk along all backfills.
    owed = Counter[UUID]()
    columns = ("task_schedule_id", "total", "tasks_created", "already_fired")
    for key, total, created, fired in running.values_list(*columns):
        owed[key] += max(0, total - created - fired)  # less than nothing where an edited rule gave more
    mine = TaskSchedule.objects.filter(pk__in=list(owed), project_id=project_id)
    return sum(owed[key] for key in mine.values_list("pk", flat=True))


def find_backfill(backfill_id: UUID, schedule_id: UUID, project_id: int) -> Backfill | None:
    """The backfill of this id, of this schedule of the project."""
    mine = backfills_of(schedule_id).filter(task_schedule__project_id=project_id)
    return mine.filter(backfill_id=backfill_id).first()


def calendars_of(project_id: int) -> QuerySet[Calendar]:
    """A project's calendars, in no order."""
    return Calendar.objects.filter(project_id=project_id)


def calendars_named(names: Iterable[str], project_id: int) -> list[Calendar]:
    """Those of a project's calendars that have these names."""
    return list(calendars_of(project_id).filter(name__in=list(names)).order_by("name"))


def due_before(moment: datetime, limit: int, project_id: int) -> list[TaskSchedule]:
    """A project's schedules that a tick has to look at before a moment, the earliest first, with their calendars."""
    due = schedules_of(project_id).filter(due_at__lt=moment).order_by("due_at")
    return list(due[:limit])


def oldest_due_at() -> datetime | None:
    """The `next_run_at` of the active schedule that a tick has to look at first, to TICK_AHEAD_SECONDS the earliest.

    In the past if ticks are late; None if no schedule is active.
    """
    # Not in the order of next_run_at: paused schedules, which have no due_at, would have to be walked past.
    active = TaskSchedule.objects.filter(_CONDITIONS[ScheduleStatus.ACTIVE], due_at__isnull=False)
    return active.order_by("due_at").values_list("next_run_at", flat=True).first()


_DECIDED_BY_REQUESTS = (Reason.REQUESTED, Reason.RULE_CHANGED)


def waiting_since() -> datetime | None:
    """Since when the active schedules wait that a tick has to look at first: since they are due, or were changed."""
    active = TaskSchedule.objects.filter(_CONDITIONS[ScheduleStatus.ACTIVE], due_at__isnull=False)
    rows = active.order_by("due_at").values_list("next_run_at", "updated_at")[:MOST_LOOKED_AT]
    return min((max(due_at, updated_at) for due_at, updated_at in rows if due_at), default=None)


def latest_tick_at() -> datetime | None:
    """When a tick last had something to decide, by the last rows of the ledger."""
    rows = Occurrence.objects.order_by("-id").values_list("decided_at", "origin", "reason")[:MOST_LOOKED_AT]
    ticks = (row[0] for row in rows if row[1] == Origin.SCHEDULE and row[2] not in _DECIDED_BY_REQUESTS)
    return max(ticks, default=None)


def count_buffered() -> int:
    """How many occurrences wait for the end of a task, of the first thousand schedules that have such."""
    waiting = TaskSchedule.objects.filter(buffered_count__gt=0).order_by("pk")
    return sum(waiting.values_list("buffered_count", flat=True)[:MOST_ALERTS])
