"""Schedules of which a task has to have succeeded by a time of day: notice when none has."""

import logging
from datetime import datetime

from django.db import transaction

from schedules_app import sql
from schedules_app.deadlines import deadline_after, deadline_before
from schedules_app.firing import rule_of
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Origin, Reason
from schedules_app.recurrence import InvalidRecurrence, Skip, next_from
from tasks_app import store as task_store
from tasks_app.lifecycle import Status
from tasks_app.models import Task

logger = logging.getLogger(__name__)

SLICE = 250
_TASKS_LOOKED_AT = 200
_NOT_TO_BE_FIRED = (Reason.PAUSED, Reason.RULE_CHANGED, *Skip)


def check_success(now: datetime | None = None) -> int:
    """Look at schedules whose `expect_success_by` has come; how many, a slice at most.

    A schedule is overdue since then if it had an occurrence to fire since the same time of the day before, and no task
    has succeeded since. A paused schedule is not, and what a pause, a person or the rule left out does not count.
    """
    moment = now or task_store.database_now()
    due = TaskSchedule.objects.filter(success_due_at__lte=moment).order_by("success_due_at")
    # Asked first without a transaction: an idle look then never takes SQLite's write lock.
    if sql.is_empty(due):
        return 0
    with transaction.atomic():
        locked = due.select_for_update(skip_locked=True, no_key=True).prefetch_related("calendars")
        schedules = list(locked[:SLICE])
        for schedule in schedules:
            _check(schedule, moment)
        TaskSchedule.objects.bulk_update(schedules, ["success_due_at", "success_overdue_since"])
    return len(schedules)


def _check(schedule: TaskSchedule, now: datetime) -> None:
    time, zone = schedule.expect_success_by, schedule.timezone
    if time is None:
        schedule.success_due_at = None
        return
    try:
        # After an outage only the latest deadline counts.
        deadline = deadline_before(now + datetime.resolution, time, zone)
        since = deadline_before(deadline, time, zone)
        schedule.success_due_at = deadline_after(now, time, zone)
        is_missed = _expects(schedule, since, deadline) and not _has_succeeded(schedule, since)
    except (InvalidRecurrence, KeyError, ValueError) as error:
        # Left due, it would head every slice; the next tick sets a schedule aside that cannot be followed.
        about = schedule.task_schedule_id
        logger.warning("Nothing is expected of schedule %s: %s", about, error, extra={"schedule_id": about})
        schedule.success_due_at = None
        return
    if is_missed and schedule.success_overdue_since is None:
        schedule.success_overdue_since = deadline
        about = schedule.task_schedule_id
        logger.warning(
            "No task of schedule %s (%s) succeeded by %s",
            about,
            schedule,
            deadline,
            extra={"schedule_id": about},
        )


def _expects(schedule: TaskSchedule, since: datetime, deadline: datetime) -> bool:
    """Whether the schedule had something to fire in this time, by the ledger and, where a tick is late, its rule."""
    if schedule.paused_at is not None:
        return False
    if schedule.next_run_at is not None and schedule.next_run_at < deadline:
        first = next_from(rule_of(schedule), max(since, schedule.next_run_at))
        if first is not None and first < deadline:
            return True
    decided = Occurrence.objects.filter(task_schedule=schedule, occurs_at__gte=since, occurs_at__lt=deadline)
    # Not by the rule as it is now: it may have been changed since, and a pause may have left the time out.
    own = decided.exclude(origin=Origin.MANUAL).exclude(reason__in=_NOT_TO_BE_FIRED)
    return not sql.is_empty(own.order_by("occurs_at"))


def _has_succeeded(schedule: TaskSchedule, since: datetime) -> bool:
    if schedule.last_success_at is not None and schedule.last_success_at >= since:
        return True
    # The ledger may lag behind the tasks.
    tasks = Task.objects.filter(task_schedule=schedule.task_schedule_id).order_by("-task_id")
    latest = tasks.values_list("status", "finished_at")[:_TASKS_LOOKED_AT]
    return any(status == Status.SUCCESS and time is not None and time >= since for status, time in latest)
