"""How many tasks the schedules of a project will create in each minute of the coming hours. Writes nothing.

Bounded: with too many schedules or occurrences the forecast ends early, and is whole up to there. What overlap
policies will hold back is not foreseen.
"""

import heapq
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import Any

from schedules_app import queries, recurrence
from schedules_app.firing import rule_of, run_at
from schedules_app.models import TaskSchedule
from schedules_app.recurrence import InvalidRecurrence

logger = logging.getLogger(__name__)

MOST_SCHEDULES = 2000
MOST_OCCURRENCES = 50_000
"""Also those that are excluded: a rule may have nothing but them."""

Start = tuple[datetime, datetime | None]


def forecast(now: datetime, hours: int, project_id: int) -> dict[str, Any]:
    """The answer of /forecast/ for a project."""
    end = now + timedelta(hours=hours)
    until, schedules = end, queries.due_before(end, MOST_SCHEDULES + 1, project_id)
    if len(schedules) > MOST_SCHEDULES:
        # Whatever was not read occurs after it is due.
        until = max(now, schedules.pop().due_at or now)
    starts = heapq.merge(*(_starts(schedule, now, until) for schedule in schedules), key=itemgetter(0))
    counts: Counter[datetime] = Counter()
    for number, (nominal, start) in enumerate(starts):
        if number >= MOST_OCCURRENCES:
            until = nominal
            break
        if start is not None and start < end:
            counts[start.replace(second=0, microsecond=0)] += 1
    minutes: list[dict[str, Any]] = [
        {"minute": minute, "tasks": counts[minute]} for minute in sorted(counts) if minute < until
    ]
    return {
        "until": until,
        "truncated": until < end,
        "total": sum(one["tasks"] for one in minutes),
        "peak": max(minutes, key=lambda one: one["tasks"], default=None),
        "minutes": minutes,
    }


def _starts(schedule: TaskSchedule, now: datetime, until: datetime) -> Iterator[Start]:
    """A schedule's coming nominal times in their order, and when their tasks may start; None: there is no task."""
    begin = max(now, schedule.next_run_at or now, schedule.paused_until or now)
    limit = schedule.schedule_x_times
    left = None if limit is None else max(0, limit - schedule.tasks_created)
    try:
        coming = takewhile(lambda item: item.at < until, recurrence.upcoming(rule_of(schedule), begin))
        for item in coming:
            if left == 0:
                return
            if item.skip is not None:
                yield item.at, None
                continue
            yield item.at, run_at(schedule, item.at)
            left = None if left is None else left - 1
    except InvalidRecurrence as error:
        # The next tick sets it aside and says so; the others have their forecast.
        about = schedule.task_schedule_id
        logger.warning("Schedule %s has no forecast: %s", about, error, extra={"schedule_id": about})
