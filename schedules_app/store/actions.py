"""What a person does to single occurrences of a schedule: trigger, skip, move, restore."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schedules_app.models import Occurrence, TaskSchedule
from tasks_app.models import Task


@dataclass(frozen=True, slots=True)
class Triggered:
    """What became of a manual run; `task` is None when the verdict is SKIPPED."""

    verdict: str
    occurrence: Occurrence
    task: Task | None


def trigger(
    schedule_id: UUID,
    now: datetime | None = None,
    *,
    obey_overlap: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> Triggered | None:
    """Create a task now; None when there is no such schedule."""
    raise NotImplementedError


def skip_next(schedule_id: UUID, now: datetime | None = None) -> datetime | None:
    """Let the next occurrence not fire; its nominal time, None when there is no such schedule."""
    raise NotImplementedError


def move(
    schedule_id: UUID, occurs_at: datetime, to: datetime, now: datetime | None = None
) -> TaskSchedule | None:
    """Let one occurrence come at another time."""
    raise NotImplementedError


def restore(schedule_id: UUID, occurs_at: datetime, now: datetime | None = None) -> TaskSchedule | None:
    """Take back a skip or a move that has not happened yet."""
    raise NotImplementedError
