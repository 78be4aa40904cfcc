"""The occurrences of a rule as they come: its source within its limits, less exclusions, with rolls and overrides."""

from collections.abc import Iterator
from datetime import datetime

from schedules_app.recurrence import intervals
from schedules_app.recurrence.base import LATEST, InvalidRecurrence, Nominal, Rule


def source(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """The bare occurrences at or after `moment` (UTC), whatever the rule's kind."""
    if rule.is_interval:
        return intervals.source(rule, moment)
    raise InvalidRecurrence("cron", "cron and rrule are not built yet; use every_x_…")


def upcoming(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """All occurrences at or after `moment` (UTC), also those with `skip`; ascending, distinct, within the limits."""
    end = LATEST if rule.ends_at is None else min(rule.ends_at, LATEST)
    for item in source(rule, max(moment, rule.starts_at)):
        if item.at > end:
            return
        yield item
