"""For the time until the package `recurrence` plans ahead by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schedules_app import recurrence
from schedules_app.recurrence import Nominal, next_after


@dataclass(frozen=True)
class Run:
    first: datetime
    last: datetime
    count: int
    reason: str = "missed"


def plan_fires(rule: Any, first: datetime, now: datetime, policy: Any, *, until: Any = None) -> Any:
    plan = recurrence.plan_fires(rule, first, now, policy)
    fires, next_at = list(plan.fires), plan.next_at
    while until is not None and next_at is not None and next_at <= until:
        fires.append(next_at)
        next_at = next_after(rule, next_at)
    runs = tuple(Run(run.first, run.last, run.count) for run in plan.skipped)
    made: Any = recurrence.Plan
    return made(tuple(Nominal(time) for time in fires), runs, next_at)


def jitter(key: bytes, at: datetime, seconds: int) -> timedelta:
    return timedelta(seconds=(key[-1] + int(at.timestamp())) % (seconds + 1))


Skipped: Any = Run
