"""The tick: fire what is due, slice by slice."""

import logging
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from schedules_app import sql
from schedules_app.firing import Firing, fire, skipped_rows
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Fired
from schedules_app.recurrence import InvalidRecurrence
from tasks_app import store as task_store

logger = logging.getLogger(__name__)


def fire_due(now: datetime | None = None, limit: int | None = None) -> Fired:
    """Fire one slice of due schedules, the longest due first, in one transaction.

    Any number of callers may do so at once: each schedule is in one slice at a time, and each occurrence gets
    one verdict and at most one task. `limit` (schedules) defaults to the configured slice.
    """
    moment = now or task_store.database_now()
    due = TaskSchedule.objects.filter(due_at__lte=moment).order_by("due_at")
    # Asked first without a transaction: an idle tick then never takes SQLite's write lock.
    if not due.exists():
        return Fired()
    with transaction.atomic():
        sql.pin_plans()
        # SQLite has no row locks; its IMMEDIATE transactions are alone already.
        slice_ = list(
            due.prefetch_related("calendars").select_for_update(skip_locked=True, no_key=True)[
                : limit or settings.CONFIG.tick_slice
            ]
        )
        if not slice_:
            return Fired()
        firings = _plan(slice_, moment)
        recorded = sql.recorded([pair for firing in firings for pair in firing.pairs()])
        tasks, skipped = _write([firing.without(recorded) for firing in firings], moment)
    return Fired(schedules=len(slice_), tasks=tasks, skipped=skipped)


def _plan(schedules: Sequence[TaskSchedule], now: datetime) -> list[Firing]:
    firings = []
    for schedule in schedules:
        try:
            firings.append(fire(schedule, now))
        except InvalidRecurrence as error:
            _set_aside(schedule, error, now)
    return firings


def _set_aside(schedule: TaskSchedule, error: InvalidRecurrence, now: datetime) -> None:
    # Left due, it would head every slice from now on, and enough of its kind would keep all others out.
    logger.error("Paused schedule %s, its rule cannot be followed: %s", schedule.task_schedule_id, error)
    TaskSchedule.objects.filter(task_schedule_id=schedule.task_schedule_id).update(
        paused_at=now, due_at=None, pause_note=f"The rule cannot be followed: {error}"[:200], updated_at=now
    )


def _write(firings: Sequence[Firing], now: datetime) -> tuple[int, int]:
    """Advance the schedules, and lay down verdicts and tasks of those that stood where the plan began."""
    won = sql.advance([firing.advance() for firing in firings])
    tasks, fired, skipped = [], [], []
    for firing in firings:
        if firing.schedule_id in won:
            new = firing.tasks()
            tasks += new
            fired += firing.verdicts(new)
            skipped += skipped_rows(firing.schedule, firing.plan.skipped, "missed", now)
    Occurrence.objects.bulk_create(fired)
    Occurrence.objects.bulk_create(skipped, ignore_conflicts=True)
    task_store.create(tasks, now)
    return len(tasks), sum(row.count for row in skipped)
