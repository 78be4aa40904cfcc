"""When a schedule occurs: pure functions of a rule and of times that the caller gives. No Django, no clock."""

from schedules_app.recurrence.base import (
    EARLIEST,
    LATEST,
    Calendar,
    CatchUp,
    Fold,
    Gap,
    InvalidRecurrence,
    Nominal,
    Note,
    Roll,
    Rule,
    Skip,
    known_zones,
)
from schedules_app.recurrence.calendars import check_calendar
from schedules_app.recurrence.describe import describe
from schedules_app.recurrence.planning import (
    MISSED,
    Plan,
    Policy,
    Skipped,
    is_late,
    jitter,
    next_after,
    next_from,
    plan_fires,
)
from schedules_app.recurrence.stepping import following
from schedules_app.recurrence.timeline import upcoming

__all__ = [
    "EARLIEST",
    "LATEST",
    "MISSED",
    "Calendar",
    "CatchUp",
    "Fold",
    "Gap",
    "InvalidRecurrence",
    "Nominal",
    "Note",
    "Plan",
    "Policy",
    "Roll",
    "Rule",
    "Skip",
    "Skipped",
    "check_calendar",
    "describe",
    "following",
    "is_late",
    "jitter",
    "known_zones",
    "next_after",
    "next_from",
    "plan_fires",
    "upcoming",
]
