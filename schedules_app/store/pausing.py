"""Pause and resume task schedules."""

import logging
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from schedules_app.firing import rule_of
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Reason
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.store.editing import within
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

_COLUMNS = [*POSITION, "paused_at", "paused_until", "pause_note", "updated_at"]


def pause(
    schedule_ids: Iterable[UUID],
    now: datetime | None = None,
    note: str = "",
    until: datetime | None = None,
    *,
    project_id: int | None = None,
) -> set[UUID]:
    """Stop firing, for good or until a time; the ids of the schedules that this changed.

    What was laid down ahead is taken back. Finished schedules have nothing to pause. One that is paused already stays
    so since when it was, and takes this note and this `until`. Raises InvalidRecurrence if `until` is not ahead.
    """
    moment = now or task_store.database_now()
    if until is not None and until <= moment:
        raise InvalidRecurrence("until", "lies in the past; give a later time, or null: until it is resumed")
    with transaction.atomic():
        schedules = _locked(schedule_ids, project_id)
        withdraw([item for item in schedules if item.paused_at is None], moment)
        changed = [item for item in schedules if _is_changed(item, note[:200], until)]
        rows = [row for item in changed for row in _position(item, moment)]
        for schedule in changed:
            schedule.paused_at = schedule.paused_at or moment
            schedule.paused_until, schedule.pause_note, schedule.updated_at = until, note[:200], moment
        _save(changed, rows)
    return {schedule.task_schedule_id for schedule in changed}


def resume(
    schedule_ids: Iterable[UUID],
    now: datetime | None = None,
    *,
    catch_up: bool = False,
    project_id: int | None = None,
) -> set[UUID]:
    """Fire again; the ids of the schedules that this changed. Raises InvalidRecurrence.

    What a schedule left out while it was paused is recorded as skipped, and it goes on with the next occurrence. With
    `catch_up` it counts as missed instead: the schedule's own policy says what is fired of it.
    """
    moment = now or task_store.database_now()
    with transaction.atomic():
        paused = [
            schedule for schedule in _locked(schedule_ids, project_id) if schedule.paused_at is not None
        ]
        rows: list[Occurrence] = []
        for schedule in paused:
            if not catch_up:
                rows += leave_out(schedule, moment, Reason.PAUSED, moment)
            schedule.paused_at, schedule.paused_until, schedule.pause_note = None, None, ""
            schedule.updated_at = moment
        _save(paused, rows)
    return {schedule.task_schedule_id for schedule in paused}


def _locked(schedule_ids: Iterable[UUID], project_id: int | None) -> list[TaskSchedule]:
    # In one order for all: two writers that lock the same schedules must not deadlock.
    chosen = within(project_id).filter(task_schedule_id__in=list(schedule_ids))
    return list(chosen.select_for_update().order_by("task_schedule_id").prefetch_related("calendars"))


def _is_changed(schedule: TaskSchedule, note: str, until: datetime | None) -> bool:
    if schedule.next_run_at is None:
        return False
    if schedule.paused_at is None:
        return True
    return (schedule.pause_note, schedule.paused_until) != (note, until)


def _position(schedule: TaskSchedule, now: datetime) -> list[Occurrence]:
    """Let `next_run_at` be an occurrence that would fire; rows for those before it that the rule skips."""
    if schedule.next_run_at is None or schedule.next_run_at <= now or is_used_up(schedule):
        return []
    try:
        return go_on(schedule, rule_of(schedule), schedule.next_run_at, now)
    except InvalidRecurrence:
        # It must be possible to pause just such a schedule.
        about = schedule.task_schedule_id
        logger.info("The rule of schedule %s cannot be followed", about, extra={"schedule_id": about})
        return []


def _save(schedules: list[TaskSchedule], rows: list[Occurrence]) -> None:
    for schedule in schedules:
        schedule.due_at = look_at(schedule)
    TaskSchedule.objects.bulk_update(schedules, _COLUMNS)
    record(rows)
