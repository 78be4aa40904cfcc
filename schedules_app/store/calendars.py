"""Calendars: create, change, delete. A change reaches every schedule that keeps the calendar."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet, prefetch_related_objects

from access_app.principals import DEFAULT_PROJECT
from schedules_app import recurrence
from schedules_app.errors import CalendarBusy, CalendarExists, CalendarInUse
from schedules_app.firing import rule_of
from schedules_app.models import Calendar, Occurrence, ScheduleCalendar, TaskSchedule
from schedules_app.records import NewCalendar, Reason
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.store.withdrawal import (
    POSITION,
    go_on,
    is_used_up,
    leave_out,
    look_at,
    record,
    withdraw,
)
from tasks_app import store as task_store

logger = logging.getLogger(__name__)

CHANGEABLE = frozenset({"description", "dates", "rrules"})
_DAYS = frozenset({"dates", "rrules"})
_SLICE = 200
"""Schedules per statement: SQLite bounds the parameters of one."""
_ATTEMPTS = 10


class _Joined(Exception):
    """A schedule has begun to keep the calendar."""


def create_calendar(new: NewCalendar, now: datetime | None = None) -> Calendar:
    """Store a calendar. Raises CalendarExists, and InvalidRecurrence for days that cannot be read."""
    moment = now or task_store.database_now()
    calendar = Calendar(
        name=new.name,
        project_id=new.project_id,
        description=new.description,
        dates=list(new.dates),
        rrules=list(new.rrules),
        created_at=moment,
        updated_at=moment,
    )
    _check(calendar)
    try:
        with transaction.atomic():
            calendar.save(force_insert=True)
    except IntegrityError:
        raise CalendarExists(new.name) from None
    return calendar


def update_calendar(
    name: str,
    changes: Mapping[str, Any],
    now: datetime | None = None,
    *,
    project_id: int = DEFAULT_PROJECT,
) -> Calendar | None:
    """Change a project's calendar, and when the schedules that keep it go on; None: there is no such calendar.

    In one transaction. As a change of their rule: it takes effect from now and never fires the past. Raises
    InvalidRecurrence and CalendarBusy.
    """
    unknown = changes.keys() - CHANGEABLE
    if unknown:
        raise TypeError(f"columns that cannot be changed: {sorted(unknown)}")
    moment = now or task_store.database_now()
    for _ in range(_ATTEMPTS):
        with suppress(_Joined), transaction.atomic():
            return _update(Calendar.objects.filter(project_id=project_id, name=name), changes, moment)
    raise CalendarBusy(name)


def delete_calendar(name: str, *, project_id: int = DEFAULT_PROJECT) -> bool:
    """Remove a project's calendar; False when there is none. Raises CalendarInUse."""
    with transaction.atomic():
        # Locked, so that no schedule begins to keep it after the count.
        calendar = Calendar.objects.select_for_update().filter(project_id=project_id, name=name).first()
        if calendar is None:
            return False
        if count := ScheduleCalendar.objects.filter(calendar=calendar).count():
            raise CalendarInUse(name, count)
        calendar.delete()
    return True


def _check(calendar: Calendar) -> None:
    recurrence.check_calendar(
        recurrence.Calendar(calendar.name, tuple(calendar.dates), tuple(calendar.rrules))
    )


def _keepers(chosen: QuerySet[Calendar]) -> list[UUID]:
    kept = TaskSchedule.objects.filter(calendars__in=chosen).order_by("task_schedule_id")
    return list(kept.values_list("task_schedule_id", flat=True))


def _locked_keepers(calendar: QuerySet[Calendar]) -> list[UUID]:
    """The schedules that keep a calendar, locked: before the calendar and in one order, as every writer does."""
    chosen = TaskSchedule.objects.filter(task_schedule_id__in=_keepers(calendar))
    locked = chosen.select_for_update().order_by("task_schedule_id")
    return list(locked.values_list("task_schedule_id", flat=True))


def _update(chosen: QuerySet[Calendar], changes: Mapping[str, Any], now: datetime) -> Calendar | None:
    keys = _locked_keepers(chosen)
    calendar = chosen.select_for_update(no_key=True).first()
    if calendar is None:
        return None
    # Who has begun to keep it in between is not locked, and must not be now: a writer that has locked a schedule
    # may be waiting for the calendar. So both are let go, and locked again.
    if set(_keepers(chosen)) - set(keys):
        raise _Joined
    values = {key: value if key == "description" else list(value) for key, value in changes.items()}
    changed = {key for key, value in values.items() if getattr(calendar, key) != value}
    if changed:
        schedules = _load(keys) if changed & _DAYS else []
        rows = _let_go(schedules, now)
        _save(calendar, {key: values[key] for key in changed}, now)
        _go_on(schedules, rows, now)
    return calendar


def _save(calendar: Calendar, values: Mapping[str, Any], now: datetime) -> None:
    for name, value in values.items():
        setattr(calendar, name, value)
    _check(calendar)
    calendar.revision += 1
    calendar.updated_at = now
    calendar.save(update_fields=[*values, "revision", "updated_at"])


def _slices(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[begin : begin + _SLICE] for begin in range(0, len(items), _SLICE))


def _load(keys: Sequence[UUID]) -> list[TaskSchedule]:
    """Schedules with their calendars as these are before the change."""
    wanted = TaskSchedule.objects.prefetch_related("calendars")
    return [schedule for some in _slices(keys) for schedule in wanted.filter(task_schedule_id__in=some)]


def _let_go(schedules: Sequence[TaskSchedule], now: datetime) -> list[Occurrence]:
    """Take back what lies ahead; rows for what is overdue."""
    rows: list[Occurrence] = []
    for some in _slices(schedules):
        withdraw(some, now)
        for schedule in some:
            with _passing_over(schedule):
                rows += leave_out(schedule, now, Reason.RULE_CHANGED, now)
    return rows


def _go_on(schedules: Sequence[TaskSchedule], rows: list[Occurrence], now: datetime) -> None:
    """Let the schedules go on by the calendar as it is now, and save all."""
    for some in _slices(schedules):
        for schedule in some:
            schedule._prefetched_objects_cache.clear()
        prefetch_related_objects(some, "calendars")
        for schedule in some:
            with _passing_over(schedule):
                rows += [] if is_used_up(schedule) else go_on(schedule, rule_of(schedule), now, now)
            schedule.next_run_at = None if is_used_up(schedule) else schedule.next_run_at
            schedule.due_at = look_at(schedule)
        TaskSchedule.objects.bulk_update(some, POSITION, batch_size=100)
    record(rows)


@contextmanager
def _passing_over(schedule: TaskSchedule) -> Iterator[None]:
    """A schedule whose rule cannot be followed must not keep others from the change; the next tick sets it aside."""
    try:
        yield
    except InvalidRecurrence as error:
        about = schedule.task_schedule_id
        logger.warning("Schedule %s cannot be followed: %s", about, error, extra={"schedule_id": about})
