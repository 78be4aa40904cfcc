"""Shorthands for tests of schedules."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from schedules_app import store
from schedules_app.models import Backfill, Calendar, Occurrence, ScheduleCalendar, TaskSchedule
from schedules_app.records import NewSchedule
from tasks_app.models import Task

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TWO, THREE, FOUR = (NOON + hours * HOUR for hours in (2, 3, 4))


def new(**fields: Any) -> NewSchedule:
    return NewSchedule(
        **{"operation": "4+7", "max_attempts": 3, "timeout_seconds": 30.0, "every_x_hours": 1, **fields}
    )


def create(count: int = 1, now: datetime = NOON, **fields: Any) -> list[UUID]:
    return [item.pk for item in store.create([new(**fields) for _ in range(count)], now)]


def get(key: UUID) -> TaskSchedule:
    return TaskSchedule.objects.get(pk=key)


def ledger(key: UUID) -> list[tuple[datetime, str]]:
    rows = Occurrence.objects.filter(task_schedule_id=key).order_by("occurs_at")
    return list(rows.values_list("occurs_at", "verdict"))


def told(key: UUID, since: datetime = NOON, step: timedelta = HOUR) -> list[tuple[float, str]]:
    """The ledger as (steps since noon, verdict or reason)."""
    rows = Occurrence.objects.filter(task_schedule_id=key).order_by("occurs_at")
    return [((row.occurs_at - since) / step, row.reason or row.verdict) for row in rows]


def rows() -> dict[str, list[Any]]:
    """All rows of schedules, and the tasks; to be compared before and after."""
    models = (TaskSchedule, Occurrence, Backfill, Calendar, ScheduleCalendar, Task)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def tasks_per_schedule() -> Counter[UUID]:
    return Counter(Task.objects.values_list("task_schedule", flat=True))


def finish_all(now: datetime) -> int:
    """Work off all that is PENDING."""
    from tasks_app import store as tasks
    from tests.integration.helpers import claim, ending

    claims = claim(now=now)
    return len(tasks.finish([ending(item) for item in claims], now))
