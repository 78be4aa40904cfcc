"""The values that pass between HTTP, the schedule store and the tick. Plain data: no model, no behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tasks_app.ids import new_id


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSchedule:
    """A task schedule to be stored. `starts_at=None` means now; times are aware."""

    operation: str
    max_attempts: int
    timeout_seconds: float
    arguments: dict[str, Any] = field(default_factory=dict)
    priority: int = 5
    queue: str = "tasks"
    tags: Sequence[str] = ()
    name: str = ""
    every_x_days: int | None = None
    every_x_hours: int | None = None
    timezone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    schedule_x_times: int | None = None
    task_schedule_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Fired:
    """What one slice of a tick has dealt with; `schedules` 0 means that nothing was due."""

    schedules: int = 0
    tasks: int = 0
    skipped: int = 0
    """Occurrences that were recorded as SKIPPED."""
