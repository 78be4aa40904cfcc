"""The values that pass between HTTP, the schedule store and the tick. Plain data: no model, no behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from access_app.principals import DEFAULT_PROJECT
from tasks_app.ids import new_id


class Overlap(StrEnum):
    """What becomes of an occurrence while an earlier task of its schedule has not finished."""

    ALLOW = "allow"  # it fires all the same
    SKIP = "skip"  # it does not fire
    BUFFER_ONE = "buffer_one"  # it waits for the end of that task; at most one waits, later ones do not fire
    BUFFER_ALL = "buffer_all"  # it waits for its turn; a bounded number may
    CANCEL_PREVIOUS = "cancel_previous"  # that task is cancelled, and it fires


class Origin(StrEnum):
    """What laid down a row of the ledger."""

    SCHEDULE = "schedule"  # the rule
    MANUAL = "manual"  # a person, by triggering the schedule
    BACKFILL = "backfill"  # a person, by backfilling a range


class Reason(StrEnum):
    """Why an occurrence has the verdict SKIPPED."""

    MISSED = "missed"  # the service was down, or it was paused and resumed with catch-up
    PAUSED = "paused"
    RULE_CHANGED = "rule_changed"  # it was overdue when its rule was changed
    OVERLAP = "overlap"
    EXCLUDED = "excluded"
    DST_GAP = "dst_gap"
    EXPIRED = "expired"
    REQUESTED = "requested"  # a person skipped it


class BackfillStatus(StrEnum):
    """Where a backfill stands."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    CANCELLED = "CANCELLED"


class Alert(StrEnum):
    """What is wrong with a schedule; derived from its row."""

    FAILING = "failing"  # its last `alert_after_failures` tasks or more failed in a row
    SUCCESS_OVERDUE = "success_overdue"  # no task succeeded by `expect_success_by`


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
    callback_url: str | None = None
    name: str = ""
    every_x_days: int | None = None
    every_x_hours: int | None = None
    every_x_minutes: int | None = None
    every_x_seconds: int | None = None
    cron: str | None = None
    rrule: str | None = None
    timezone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    schedule_x_times: int | None = None
    gap: str = "shift"
    fold: str = "first"
    excluded_dates: Sequence[str] = ()
    calendars: Sequence[str] = ()
    """Names of calendars of its project."""
    roll: str = "skip"
    jitter_seconds: int = 0
    catch_up: str = "latest"
    catch_up_window_seconds: float | None = None
    catch_up_limit: int = 100
    overlap: str = "allow"
    expires_after_seconds: float | None = None
    alert_after_failures: int | None = None
    expect_success_by: str | None = None
    project_id: int = DEFAULT_PROJECT
    task_schedule_id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCalendar:
    """A calendar to be stored: `dates` are ISO dates, `rrules` RFC 5545 texts that are read as whole days."""

    name: str
    description: str = ""
    dates: Sequence[str] = ()
    rrules: Sequence[str] = ()
    project_id: int = DEFAULT_PROJECT


@dataclass(frozen=True, slots=True)
class Fired:
    """What one slice of a tick has dealt with; `schedules` 0 means that nothing was due."""

    schedules: int = 0
    tasks: int = 0
    skipped: int = 0
    """Occurrences that were recorded as SKIPPED."""
