"""Create, change, pause, resume and delete task schedules."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from schedules_app.firing import due_at, rule_of, skipped_rows
from schedules_app.models import KINDS, Occurrence, TaskSchedule
from schedules_app.records import NewSchedule
from schedules_app.recurrence import CatchUp, InvalidRecurrence, Policy, Rule, next_from, plan_fires
from tasks_app import store as task_store

logger = logging.getLogger(__name__)

RULE_COLUMNS = (
    *KINDS,
    "timezone",
    "starts_at",
    "ends_at",
    "gap",
    "fold",
    "excluded_dates",
    "calendars",
    "roll",
)
EDITABLE = frozenset(field.name for field in fields(NewSchedule)) - {"task_schedule_id"}
SKIP_ALL = Policy(catch_up=CatchUp.SKIP, cap=0)


def create(new: Sequence[NewSchedule], now: datetime | None = None) -> list[TaskSchedule]:
    """Store schedules in one INSERT. The first occurrence is `starts_at`, or now.

    A `starts_at` in the past only anchors the rule: what lies behind is not fired. Raises InvalidRecurrence,
    also for a rule that has no occurrence ahead.
    """
    if not new:
        return []
    moment = now or task_store.database_now()
    return TaskSchedule.objects.bulk_create([_row(item, moment) for item in new])


def update(
    schedule_id: UUID,
    changes: Mapping[str, Any],
    now: datetime | None = None,
    *,
    if_revision: int | None = None,
) -> TaskSchedule | None:
    """Change columns; the schedule as it is then, or None when there is none.

    A change of the rule takes effect from now and never fires the past: occurrences of the old rule that
    were due but not fired yet are recorded as skipped. Raises InvalidRecurrence and then changes nothing.
    """
    unknown = changes.keys() - EDITABLE
    if unknown:
        raise TypeError(f"columns that cannot be changed: {sorted(unknown)}")
    moment = now or task_store.database_now()
    with transaction.atomic():
        schedule = lock(schedule_id)
        if schedule is not None:
            _change(schedule, changes, moment)
    return schedule


def lock(schedule_id: UUID) -> TaskSchedule | None:
    """The schedule, held against every other writer until the transaction of the caller ends."""
    return TaskSchedule.objects.select_for_update().filter(task_schedule_id=schedule_id).first()


def pause(
    schedule_ids: Iterable[UUID], now: datetime | None = None, note: str = "", until: datetime | None = None
) -> set[UUID]:
    """Stop firing; the ids of the schedules that this changed. Finished ones have nothing to pause."""
    moment = now or task_store.database_now()
    with transaction.atomic():
        running = TaskSchedule.objects.filter(
            task_schedule_id__in=list(schedule_ids), paused_at__isnull=True, next_run_at__isnull=False
        )
        paused = {item.task_schedule_id for item in _locked(running)}
        TaskSchedule.objects.filter(task_schedule_id__in=paused).update(
            paused_at=moment, pause_note=note[:200], due_at=None, updated_at=moment
        )
    return paused


def resume(schedule_ids: Iterable[UUID], now: datetime | None = None, *, catch_up: bool = False) -> set[UUID]:
    """Fire again, from the next occurrence; the ids of the schedules that this changed.

    What a schedule left out while it was paused is recorded as skipped. Raises InvalidRecurrence.
    """
    moment = now or task_store.database_now()
    with transaction.atomic():
        paused = list(
            _locked(
                TaskSchedule.objects.filter(task_schedule_id__in=list(schedule_ids), paused_at__isnull=False)
            )
        )
        for schedule in paused:
            schedule.next_run_at = _skip_due(schedule, rule_of(schedule), "paused", moment)
            schedule.due_at = due_at(schedule, schedule.next_run_at)
            schedule.paused_at, schedule.pause_note, schedule.updated_at = None, "", moment
        columns = ["next_run_at", "due_at", "paused_at", "pause_note", "updated_at"]
        TaskSchedule.objects.bulk_update(paused, columns)
    return {schedule.task_schedule_id for schedule in paused}


def delete(schedule_id: UUID, now: datetime | None = None, *, if_revision: int | None = None) -> bool:
    """Remove a schedule and its ledger, not its tasks; False when there is none."""
    with transaction.atomic():
        # Locked first: a tick could otherwise add a ledger row in between, and the foreign key refuse.
        schedule = lock(schedule_id)
        if schedule is None:
            return False
        Occurrence.objects.filter(task_schedule_id=schedule_id).delete()
        schedule.delete()
    return True


def _row(new: NewSchedule, now: datetime) -> TaskSchedule:
    values = {field.name: getattr(new, field.name) for field in fields(NewSchedule)}
    values |= {"starts_at": new.starts_at or now, "tags": list(new.tags)}
    del values["calendars"]
    values["excluded_dates"] = list(new.excluded_dates)
    schedule = TaskSchedule(**values, created_at=now, updated_at=now)
    schedule.next_run_at = _first(rule_of(schedule, ()), now)
    schedule.due_at = due_at(schedule, schedule.next_run_at)
    if schedule.next_run_at is None:
        raise InvalidRecurrence("ends_at", "no occurrence lies ahead; give a later time, or null for no end")
    return schedule


def _first(rule: Rule, now: datetime) -> datetime | None:
    """The first occurrence to fire: `starts_at`, or the next one when that is past.

    A `starts_at` that is only just past was "now" on the clock of the one who sent it.
    """
    just_past = now - timedelta(seconds=settings.CONFIG.late_after_seconds) <= rule.starts_at
    return rule.starts_at if just_past else next_from(rule, now)


def _change(schedule: TaskSchedule, changes: Mapping[str, Any], now: datetime) -> None:
    values = (
        {**changes, "starts_at": changes["starts_at"] or now} if "starts_at" in changes else dict(changes)
    )
    changed = {name for name, value in values.items() if getattr(schedule, name) != value}
    if not changed:
        return
    if changed & set(RULE_COLUMNS):
        _skip_superseded(schedule, now)
    for name in changed:
        setattr(schedule, name, values[name])
    schedule.next_run_at = _next_after_change(schedule, changed, now)
    schedule.due_at = due_at(schedule, schedule.next_run_at) if schedule.paused_at is None else None
    schedule.revision += 1
    schedule.updated_at = now
    schedule.save(update_fields=[*changed, "next_run_at", "due_at", "revision", "updated_at"])


def _next_after_change(schedule: TaskSchedule, changed: set[str], now: datetime) -> datetime | None:
    rule, limit = rule_of(schedule), schedule.schedule_x_times
    if limit is not None and schedule.tasks_created >= limit:
        return None
    if "starts_at" in changed:
        return _first(rule, now)
    if changed & set(RULE_COLUMNS) or ("schedule_x_times" in changed and schedule.next_run_at is None):
        return next_from(rule, now)
    return schedule.next_run_at


def _skip_superseded(schedule: TaskSchedule, now: datetime) -> None:
    try:
        _skip_due(schedule, rule_of(schedule), "rule_changed", now)
    except InvalidRecurrence:
        logger.info("The old rule of schedule %s cannot be followed", schedule.task_schedule_id)


def _skip_due(schedule: TaskSchedule, rule: Rule, reason: str, now: datetime) -> datetime | None:
    """Record what is overdue of a schedule as skipped; its first occurrence from now on."""
    if schedule.next_run_at is None:
        return None
    plan = plan_fires(rule, schedule.next_run_at, now - timedelta.resolution, SKIP_ALL)
    rows = skipped_rows(schedule, plan.skipped, reason, now)
    Occurrence.objects.bulk_create(rows, ignore_conflicts=True)
    return plan.next_at


def _locked(schedules: QuerySet[TaskSchedule]) -> QuerySet[TaskSchedule]:
    # In one order for all: two writers that lock the same schedules must not deadlock.
    return schedules.select_for_update().order_by("task_schedule_id")
