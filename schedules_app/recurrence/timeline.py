"""The occurrences of a rule as they come: its source within its limits, less exclusions, with rolls and overrides."""

import heapq
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from schedules_app.recurrence import cron, intervals
from schedules_app.recurrence.base import LATEST, Nominal, Note, Roll, Rule, Skip
from schedules_app.recurrence.calendars import as_excluded, excluded, local_day, off_days, start_of
from schedules_app.recurrence.rolls import Rolling
from schedules_app.recurrence.zones import merged


def source(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """The bare occurrences at or after `moment` (UTC), whatever the rule's kind."""
    if rule.is_interval:
        return intervals.source(rule, moment)
    if rule.cron is not None:
        return cron.source(rule, moment)
    from schedules_app.recurrence import rrules

    return rrules.source(rule, moment)


def upcoming(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """All occurrences at or after `moment` (UTC), also those with `skip`; ascending, distinct.

    All lie within `starts_at` and `ends_at` but those that a person moved out of them.
    """
    if not rule.overrides:
        return _undisturbed(rule, moment)
    return merged(heapq.merge(_remaining(rule, moment), _moved(rule, moment), key=lambda item: item.at))


def _undisturbed(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """As if nobody had moved or skipped one."""
    if rule.calendars and rule.roll is not Roll.SKIP:
        return Rolling(rule, moment, source, off_days(rule.calendars), excluded(rule.excluded)).items()
    if rule.calendars or rule.excluded:
        return _marked(rule, _bounded(rule, moment))
    return _bounded(rule, moment)


def _bounded(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    end = LATEST if rule.ends_at is None else min(rule.ends_at, LATEST)
    for item in source(rule, max(moment, rule.starts_at)):
        if item.at > end:
            return
        yield item


def _marked(rule: Rule, items: Iterator[Nominal]) -> Iterator[Nominal]:
    zone, out, off = ZoneInfo(rule.timezone), excluded(rule.excluded), off_days(rule.calendars)
    for item in items:
        day = local_day(item.at, zone)
        yield as_excluded(item) if out.contains(item.at, day) or off.contains(day) else item


def after_excluded_day(rule: Rule, moment: datetime) -> datetime | None:
    """From where to go on when nothing more fires on the local day of `moment`; None: something may.

    On an excluded day nothing fires but what a person moved there; nothing rolls onto a day of a calendar.
    """
    zone = ZoneInfo(rule.timezone)
    day = local_day(moment, zone)
    if not (day in excluded(rule.excluded).days or off_days(rule.calendars).contains(day)):
        return None
    with suppress(OverflowError):
        later = start_of(day + timedelta(days=1), zone)
        moved = (new for _, new in rule.overrides if new is not None and new > moment)
        later = min([later, *moved])
        return later if later > moment else None
    return None


def _remaining(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """What was not moved."""
    overrides = dict(rule.overrides)
    for item in _undisturbed(rule, moment):
        if item.at not in overrides:
            yield item
        elif overrides[item.at] is None:
            yield replace(item, notes=(*item.notes, Note.SKIPPED), skip=Skip.REQUESTED)


def _moved(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """What was moved, by its new time; a pair whose nominal time is none of the rule's (any more) means nothing."""
    targets = sorted(
        (new, old) for old, new in dict(rule.overrides).items() if new is not None and new >= moment
    )
    for new, old in targets:
        if (found := next(_undisturbed(rule, old), None)) is not None and found.at == old:
            yield Nominal(new, (*found.notes, Note.MOVED))
