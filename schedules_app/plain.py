"""The plain case of a tick: one occurrence of a schedule is due, and nothing stands in its way.

`firing` decides on every case, this one too, at ten times the price; the tests hold the two together.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from schedules_app.firing import later
from schedules_app.models import TaskSchedule
from schedules_app.recurrence import CatchUp, following, jitter
from schedules_app.sql import Advance, FiredRow, is_plain
from schedules_app.templating import render
from tasks_app.arrays import JSONText
from tasks_app.defaults import backoff_of, find_operation
from tasks_app.ids import new_id_text
from tasks_app.lifecycle import Backoff, initial_status
from tasks_app.records import TaskRow


class Due(NamedTuple):
    """What a tick reads of a due schedule."""

    key: str
    """Its id, as the database spells it."""
    is_plain: bool
    """Whether nothing in the row itself makes it special."""
    next_run_at: datetime
    ends_at: datetime | None
    starts_at: datetime
    timezone: str
    every_x_days: int | None
    every_x_hours: int | None
    every_x_minutes: int | None
    every_x_seconds: int | None
    cron: str | None
    rrule: str | None
    gap: str
    fold: str
    catch_up: str
    catch_up_window_seconds: float | None
    jitter_seconds: int
    expires_after_seconds: float | None
    operation: str
    arguments_text: str
    priority: int
    queue: str
    tags_text: str
    max_attempts: int
    timeout_seconds: float
    callback_url: str | None
    revision: int
    project_id: int


class Step(NamedTuple):
    """A plain schedule's occurrence, which is to be fired, and the one that follows."""

    due: Due
    verdict: str
    run_at: datetime
    expires_at: datetime | None
    next_at: datetime


class Moment(NamedTuple):
    """When a tick looks at schedules; since when and until when an occurrence counts as on time."""

    now: datetime
    since: datetime
    until: datetime
    ahead: timedelta

    @classmethod
    def at(cls, now: datetime) -> "Moment":
        config = settings.CONFIG
        ahead = timedelta(seconds=config.tick_ahead_seconds)
        return cls(now, now - timedelta(seconds=config.late_after_seconds), now + ahead, ahead)


def read(schedules: QuerySet[TaskSchedule]) -> list[Due]:
    """The rows of a query of schedules."""
    texts = {
        "key": Cast("task_schedule_id", TextField()),
        "arguments_text": Cast("arguments", TextField()),
        "tags_text": Cast("tags", TextField()),
    }
    found = schedules.annotate(is_plain=is_plain(), **texts).values_list(*Due._fields)
    return list(map(Due._make, found))


def step(due: Due, moment: Moment) -> Step | None:
    """What becomes of a schedule in the plain case; None: it is not sure to be that."""
    at = due.next_run_at
    if not due.is_plain or at > moment.until or (at < moment.since and not _is_caught_up(due, moment.now)):
        return None
    try:
        next_at = _following(due)
    except Exception:
        # `firing` comes upon it again, and sets the schedule aside.
        return None
    if next_at is None or next_at <= moment.until or (due.ends_at is not None and next_at > due.ends_at):
        return None
    run_at = at + jitter(UUID(due.key).bytes, at, due.jitter_seconds) if due.jitter_seconds else at
    expires_at = None
    if due.expires_after_seconds is not None:
        expires_at = later(run_at, due.expires_after_seconds)
        if expires_at <= moment.now:
            return None
    return Step(due, "FIRED" if at >= moment.since else "LATE", run_at, expires_at, next_at)


def _is_caught_up(due: Due, now: datetime) -> bool:
    """Whether the only occurrence that was missed is fired."""
    window = due.catch_up_window_seconds
    if window is None:
        window = settings.CONFIG.catch_up_window_seconds
    return due.catch_up != CatchUp.SKIP and (now - due.next_run_at).total_seconds() <= window


def _following(due: Due) -> datetime | None:
    return following(
        due.next_run_at,
        due.starts_at,
        due.timezone,
        due.every_x_days,
        due.every_x_hours,
        due.every_x_minutes,
        due.every_x_seconds,
        due.cron,
        due.rrule,
        due.gap,
        due.fold,
    )


def advance(step: Step, moment: Moment) -> Advance:
    """The step of the schedule that goes with it."""
    due, next_at = step.due, step.next_at
    return Advance(due.key, due.next_run_at, next_at, next_at - moment.ahead, due.next_run_at, 1)


def tasks(steps: Sequence[Step], now: datetime) -> list[TaskRow]:
    """The tasks of these occurrences."""
    # Of an operation that has vanished the configuration's: the task is still created, and then fails.
    waits = {name: backoff_of(find_operation(name)) for name in {step.due.operation for step in steps}}
    return [_task(step, waits[step.due.operation], now) for step in steps]


def _task(step: Step, backoff: Backoff, now: datetime) -> TaskRow:
    due = step.due
    return TaskRow(
        new_id_text(),
        due.operation,
        _arguments(due),
        due.priority,
        due.queue,
        JSONText(due.tags_text),
        initial_status(is_due=step.run_at <= now),
        due.max_attempts,
        backoff.curve,
        backoff.base_seconds,
        backoff.cap_seconds,
        due.timeout_seconds,
        step.run_at,
        step.expires_at,
        now,
        due.key,
        None,
        None,
        due.project_id,
        None,
        due.callback_url,
    )


def _arguments(due: Due) -> Any:
    if "{{" not in due.arguments_text:
        return JSONText(due.arguments_text)
    return render(json.loads(due.arguments_text), due.next_run_at, UUID(due.key))


def verdicts(steps: Sequence[Step], tasks: Sequence[TaskRow], now: datetime) -> list[FiredRow]:
    """The ledger's rows of the occurrences that are fired as these tasks."""
    return [
        FiredRow(step.due.key, step.due.next_run_at, step.verdict, now, task.task_id, step.due.revision)
        for step, task in zip(steps, tasks, strict=True)
    ]
