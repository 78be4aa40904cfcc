"""When a schedule occurs: pure functions of a rule and of times that the caller gives. No Django, no clock."""

from schedules_app.recurrence.base import (
    EARLIEST,
    LATEST,
    Calendar,
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
from schedules_app.recurrence.intervals import (
    CatchUp,
    Plan,
    Policy,
    Skipped,
    is_late,
    next_after,
    next_from,
    plan_fires,
)

__all__ = [
    "EARLIEST",
    "LATEST",
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
    "is_late",
    "known_zones",
    "next_after",
    "next_from",
    "plan_fires",
]
