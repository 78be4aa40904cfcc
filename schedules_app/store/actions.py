"""What a person does to single occurrences of a schedule: skip, move, restore."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from schedules_app.errors import NoSuchOccurrence
from schedules_app.firing import rule_of
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.recurrence import InvalidRecurrence, next_from
from schedules_app.store import overrides
from schedules_app.store.editing import lock
from schedules_app.store.withdrawal import POSITION, go_on, is_used_up, look_at, record, withdraw
from schedules_app.templating import spelled
from tasks_app import store as task_store

FURTHEST = timedelta(days=366)
"""How far ahead an occurrence can be moved."""


def skip_next(
    schedule_id: UUID, now: datetime | None = None, *, project_id: int | None = None
) -> datetime | None:
    """Let the next occurrence not fire; its time. None when there is no such schedule or no next occurrence.

    Of a paused schedule it is the next one from now on. Raises InvalidRecurrence and TooManyOverrides.
    """
    moment = now or task_store.database_now()
    with transaction.atomic():
        schedule = _opened(schedule_id, project_id, moment)
        if schedule is None or schedule.next_run_at is None:
            return None
        position = schedule.next_run_at
        # What a paused schedule has left out lies behind it: to skip that would mean nothing.
        begin = position if schedule.paused_at is None else max(position, moment)
        at = None if is_used_up(schedule) else next_from(rule_of(schedule), begin)
        keys = set() if at is None else overrides.replace(schedule, at, None)
        # A time that was moved away from the past is behind the schedule: no tick will come by there.
        behind = [overrides.skipped_row(schedule, key, moment) for key in keys if key < position]
        _close(schedule, position, moment, behind)
    return at


def move(
    schedule_id: UUID,
    occurs_at: datetime,
    to: datetime,
    now: datetime | None = None,
    *,
    project_id: int | None = None,
) -> TaskSchedule | None:
    """Let the occurrence that comes at `occurs_at` come at `to`; the schedule, None when there is none.

    On the time of another occurrence both become one; exclusions and the schedule's end do not hold there. Raises
    NoSuchOccurrence when nothing is to come at `occurs_at`, InvalidRecurrence ("to") for a time that is past or more
    than a year ahead, and TooManyOverrides.
    """
    moment = now or task_store.database_now()
    with transaction.atomic():
        schedule = _opened(schedule_id, project_id, moment)
        if schedule is None:
            return None
        _check_target(to, moment)
        position = schedule.next_run_at
        if position is None or occurs_at < position or overrides.item_at(schedule, occurs_at) is None:
            raise NoSuchOccurrence(
                f"Nothing of this schedule is to come at {spelled(occurs_at)}; its preview lists what is."
            )
        overrides.replace(schedule, occurs_at, to)
        _close(schedule, min(position, to), moment)
    return schedule


def restore(
    schedule_id: UUID, occurs_at: datetime, now: datetime | None = None, *, project_id: int | None = None
) -> TaskSchedule | None:
    """Take back a skip or a move; the schedule, None when there is none.

    `occurs_at` is the nominal time by the rule. Raises NoSuchOccurrence when nothing is skipped or moved from there,
    or it is too late: the time has come, or that to which it was moved.
    """
    moment = now or task_store.database_now()
    with transaction.atomic():
        schedule = _opened(schedule_id, project_id, moment)
        if schedule is None:
            return None
        pairs = overrides.read(schedule)
        if occurs_at not in pairs:
            raise NoSuchOccurrence(
                f"Nothing is skipped or moved from {spelled(occurs_at)}; `overrides` of the schedule lists what is."
            )
        if min(occurs_at, pairs[occurs_at] or occurs_at) <= moment:
            raise NoSuchOccurrence(
                f"The occurrence of {spelled(occurs_at)} is past, or its new time is; "
                "only what is to come can be restored."
            )
        del pairs[occurs_at]
        overrides.write(schedule, pairs)
        _close(schedule, min(schedule.next_run_at or occurs_at, occurs_at), moment)
    return schedule


def _opened(schedule_id: UUID, project_id: int | None, now: datetime) -> TaskSchedule | None:
    """The schedule, locked, without what lay ahead."""
    schedule = lock(schedule_id, project_id)
    if schedule is not None:
        withdraw([schedule], now)
    return schedule


def _check_target(to: datetime, now: datetime) -> None:
    if to.utcoffset() is None:
        raise InvalidRecurrence("to", "use a date and time with an offset from UTC")
    if to <= now:
        raise InvalidRecurrence("to", "lies in the past; to run it now, trigger the schedule")
    if to > now + FURTHEST:
        raise InvalidRecurrence("to", "use a time within a year from now")


def _close(
    schedule: TaskSchedule, position: datetime, now: datetime, rows: list[Occurrence] | None = None
) -> None:
    """Let the schedule go on from `position`, and save it."""
    found = list(rows or ())
    if is_used_up(schedule):
        schedule.next_run_at = None
    else:
        found += go_on(schedule, rule_of(schedule), position, now)
    record([*found, *overrides.tidy(schedule, now)])
    schedule.due_at = look_at(schedule)
    schedule.revision += 1
    schedule.updated_at = now
    schedule.save(update_fields=[*POSITION, "overrides", "revision", "updated_at"])
