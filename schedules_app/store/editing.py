"""Create, change and delete task schedules."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from schedules_app.deadlines import deadline_after
from schedules_app.errors import StaleRevision
from schedules_app.firing import rule_of
from schedules_app.models import KINDS, Calendar, Occurrence, TaskSchedule
from schedules_app.records import NewSchedule, Reason
from schedules_app.recurrence import InvalidRecurrence, Rule
from schedules_app.store import membership, overrides
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

TIMING = frozenset({*KINDS, "timezone", "starts_at", "gap", "fold"})
RULE = TIMING | {"ends_at", "excluded_dates", "calendars", "roll"}
TEMPLATE = frozenset(
    {
        "operation",
        "arguments",
        "priority",
        "queue",
        "tags",
        "max_attempts",
        "timeout_seconds",
        "callback_url",
        "jitter_seconds",
        "expires_after_seconds",
    }
)
LAID_DOWN = RULE | TEMPLATE | {"overlap", "schedule_x_times"}
"""Columns that what lies ahead was made of."""
EDITABLE = frozenset(field.name for field in fields(NewSchedule)) - {"task_schedule_id", "project_id"}


def create(new: Sequence[NewSchedule], now: datetime | None = None) -> list[TaskSchedule]:
    """Store schedules in one INSERT. The first occurrence is the first at or after `starts_at`, or now.

    A `starts_at` in the past only anchors the rule: what lies behind is not fired. Raises InvalidRecurrence, also for
    a rule that has no occurrence ahead, and for a calendar that its project does not have.
    """
    if not new:
        return []
    moment = now or task_store.database_now()
    with transaction.atomic():
        kept = _kept(new)
        rows, schedules = [], []
        for item, own in zip(new, kept, strict=True):
            schedule, skipped = _new_row(item, own, moment)
            schedules.append(schedule)
            rows += skipped
        TaskSchedule.objects.bulk_create(schedules)
        membership.add([(one, own) for one, owns in zip(schedules, kept, strict=True) for own in owns])
        record(rows)
    return schedules


def _kept(new: Sequence[NewSchedule]) -> list[list[Calendar]]:
    """The calendars of each new schedule, held; in one order for all who create."""
    wanted: dict[int, set[str]] = defaultdict(set)
    for item in new:
        wanted[item.project_id].update(item.calendars)
    found = {project_id: membership.named(names, project_id) for project_id, names in sorted(wanted.items())}
    return [[found[item.project_id][name] for name in dict.fromkeys(item.calendars)] for item in new]


def update(
    schedule_id: UUID,
    changes: Mapping[str, Any],
    now: datetime | None = None,
    *,
    if_revision: int | None = None,
    project_id: int | None = None,
) -> TaskSchedule | None:
    """Change columns; the schedule as it is then, or None when there is none.

    A change of the rule takes effect from now and never fires the past: occurrences of the old rule that were due but
    not fired yet are recorded as skipped. What was laid down ahead is taken back and laid down anew. A higher limit
    on tasks lets a finished schedule go on. Raises StaleRevision when the schedule does not have `if_revision`, and
    InvalidRecurrence; either changes nothing.
    """
    unknown = changes.keys() - EDITABLE
    if unknown:
        raise TypeError(f"columns that cannot be changed: {sorted(unknown)}")
    moment = now or task_store.database_now()
    with transaction.atomic():
        schedule = lock(schedule_id, project_id)
        if schedule is not None:
            _check_revision(schedule, if_revision)
            _change(schedule, changes, moment)
    return schedule


def within(project_id: int | None) -> QuerySet[TaskSchedule]:
    """The schedules of a project; None: of every one."""
    schedules = TaskSchedule.objects.all()
    return schedules if project_id is None else schedules.filter(project_id=project_id)


def lock(schedule_id: UUID, project_id: int | None = None) -> TaskSchedule | None:
    """The schedule, held against every other writer until the transaction of the caller ends."""
    return within(project_id).select_for_update().filter(task_schedule_id=schedule_id).first()


def delete(
    schedule_id: UUID,
    now: datetime | None = None,
    *,
    if_revision: int | None = None,
    project_id: int | None = None,
) -> bool:
    """Remove a schedule, its ledger and its backfills; False when there is none. Raises StaleRevision.

    Its tasks stay, but for those that were laid down ahead and have not begun.
    """
    with transaction.atomic():
        # Locked first: a tick could otherwise add a ledger row in between, and the foreign key refuse.
        schedule = lock(schedule_id, project_id)
        if schedule is None:
            return False
        _check_revision(schedule, if_revision)
        withdraw([schedule], now or task_store.database_now())
        Occurrence.objects.filter(task_schedule_id=schedule_id).delete()
        schedule.delete()
    return True


def _check_revision(schedule: TaskSchedule, wanted: int | None) -> None:
    if wanted is not None and wanted != schedule.revision:
        raise StaleRevision(schedule.revision)


def _new_row(
    new: NewSchedule, calendars: Sequence[Calendar], now: datetime
) -> tuple[TaskSchedule, list[Occurrence]]:
    """The row of a new schedule, and those of the occurrences that it skips before its first."""
    values = {field.name: getattr(new, field.name) for field in fields(NewSchedule)}
    values |= {"starts_at": new.starts_at or now, "tags": list(new.tags)}
    values["excluded_dates"] = list(new.excluded_dates)
    del values["calendars"]
    schedule = TaskSchedule(**values, created_at=now, updated_at=now)
    rule = rule_of(schedule, calendars)
    rows = go_on(schedule, rule, _beginning(rule, now), now)
    if schedule.next_run_at is None:
        raise InvalidRecurrence("ends_at", "no occurrence lies ahead; give a later time, or null for no end")
    schedule.due_at = look_at(schedule)
    schedule.success_due_at = _success_due_at(schedule, now)
    return schedule, rows


def _beginning(rule: Rule, now: datetime) -> datetime:
    """From when a new rule is followed: from `starts_at`, or from now when that is past.

    A `starts_at` that is only just past was "now" on the clock of the one who sent it.
    """
    just_past = now - timedelta(seconds=settings.CONFIG.late_after_seconds) <= rule.starts_at
    return rule.starts_at if just_past else now


def _success_due_at(schedule: TaskSchedule, now: datetime) -> datetime | None:
    if schedule.expect_success_by is None:
        return None
    return deadline_after(now, schedule.expect_success_by, schedule.timezone)


def _change(schedule: TaskSchedule, changes: Mapping[str, Any], now: datetime) -> None:
    values = _differing(schedule, changes, now)
    if not values:
        return
    changed = frozenset(values)
    if changed & LAID_DOWN:
        withdraw([schedule], now)
    rows = _superseded(schedule, now) if changed & RULE else []
    _assign(schedule, values)
    if changed & TIMING:
        overrides.forget_strangers(schedule)
    rows += _follow(schedule, changed, now)
    rows += overrides.tidy(schedule, now)
    record(rows)
    _expect(schedule, changed, now)
    _save(schedule, changed - {"calendars"}, now)


def _assign(schedule: TaskSchedule, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name == "calendars":
            membership.keep(schedule, list(membership.named(value, schedule.project_id).values()))
        else:
            setattr(schedule, name, value)


def _differing(schedule: TaskSchedule, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Those of the changes that change something, as columns have them."""
    values = dict(changes)
    if "starts_at" in values:
        values["starts_at"] = values["starts_at"] or now
    for name in {"tags", "excluded_dates"} & values.keys():
        values[name] = list(values[name])
    if "calendars" in values:
        values["calendars"] = sorted(set(values["calendars"]))
    return {name: value for name, value in values.items() if _current(schedule, name) != value}


def _current(schedule: TaskSchedule, name: str) -> Any:
    if name == "calendars":
        return sorted(calendar.name for calendar in schedule.calendars.all())
    return getattr(schedule, name)


def _superseded(schedule: TaskSchedule, now: datetime) -> list[Occurrence]:
    """Rows for what was due by the old rule."""
    try:
        return leave_out(schedule, now, Reason.RULE_CHANGED, now)
    except InvalidRecurrence:
        about = schedule.task_schedule_id
        logger.info("The old rule of schedule %s cannot be followed", about, extra={"schedule_id": about})
        return []


def _follow(schedule: TaskSchedule, changed: frozenset[str], now: datetime) -> list[Occurrence]:
    """Let the schedule go on as it is now; rows for what its rule skips."""
    if is_used_up(schedule):
        schedule.next_run_at = None
        return []
    is_revived = "schedule_x_times" in changed and schedule.next_run_at is None
    if not changed & RULE and not is_revived and (not changed & LAID_DOWN or schedule.next_run_at is None):
        return []
    rule = rule_of(schedule)
    moment = _beginning(rule, now) if "starts_at" in changed else now
    if not changed & RULE and schedule.next_run_at is not None:
        moment = schedule.next_run_at
    return go_on(schedule, rule, moment, now)


def _expect(schedule: TaskSchedule, changed: frozenset[str], now: datetime) -> None:
    if "expect_success_by" in changed:
        schedule.success_overdue_since = None
    if changed & {"expect_success_by", "timezone"} or schedule.success_due_at is None:
        schedule.success_due_at = _success_due_at(schedule, now)


def _save(schedule: TaskSchedule, columns: frozenset[str], now: datetime) -> None:
    schedule.due_at = look_at(schedule)
    schedule.revision += 1
    schedule.updated_at = now
    expectation = ("success_due_at", "success_overdue_since")
    schedule.save(update_fields=[*columns, *POSITION, *expectation, "overrides", "revision", "updated_at"])
