"""Backfills: fire a range of the past, slice by slice."""

from datetime import datetime
from uuid import UUID

from schedules_app.models import Backfill, TaskSchedule


def plan_backfill(schedule: TaskSchedule, start: datetime, end: datetime, now: datetime | None = None) -> int:
    """How many occurrences a backfill of this range would look at."""
    raise NotImplementedError


def backfill(
    schedule_id: UUID, start: datetime, end: datetime, priority: int, now: datetime | None = None
) -> Backfill | None:
    """Fire what the rule gives from `start` to `end`, both inclusive."""
    raise NotImplementedError


def cancel_backfill(backfill_id: UUID, now: datetime | None = None) -> bool:
    """Stop a backfill; False when it is not running."""
    raise NotImplementedError


def work_backfills(now: datetime | None = None) -> int:
    """Fire one slice of each of the oldest running backfills; how many occurrences were looked at."""
    return 0
