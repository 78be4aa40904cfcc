"""A rule in plain English, for people who read a schedule; times are local to the rule's zone, 24-hour clock."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cron_descriptor import ExpressionDescriptor, FormatError, MissingFieldError, Options

from schedules_app.recurrence import cron, intervals
from schedules_app.recurrence.base import UNIT_SECONDS, Fold, Gap, Roll, Rule
from schedules_app.recurrence.describe_rrule import phrase_of
from schedules_app.recurrence.words import clock, listed, plural
from schedules_app.recurrence.zones import wall_of

_MOST_NAMED = 3
_FOLDS = {
    Fold.SECOND: "doubled times occur at the second one",
    Fold.BOTH: "doubled times occur twice",
}
_ROLLS = {
    Roll.SKIP: "not on days of",
    Roll.NEXT: "moved to the next free day from days of",
    Roll.PREVIOUS: "moved to the previous free day from days of",
}


def describe(rule: Rule) -> str:
    """One sentence: when, in which zone, within which limits, and what else departs from the default."""
    zone = ZoneInfo(rule.timezone)
    start = wall_of(rule.starts_at, zone)
    limits = f"from {_stamp(start)}"
    if rule.ends_at is not None:
        limits += f" until {_stamp(wall_of(rule.ends_at, zone))}"
    return "; ".join([f"{_recurrence(rule, start)}, {rule.timezone} time, {limits}", *_options(rule)])


def _stamp(wall: datetime) -> str:
    return f"{wall.date().isoformat()} {clock(wall)}"


def _recurrence(rule: Rule, start: datetime) -> str:
    if rule.cron is not None:
        return _of_cron(rule.cron)
    if rule.rrule is not None:
        return phrase_of(rule.rrule, start)
    return _of_interval(rule, start)


def _of_interval(rule: Rule, start: datetime) -> str:
    amounts = [(getattr(rule, unit), unit) for unit in UNIT_SECONDS if getattr(rule, unit)]
    if len(amounts) == 1:
        number, unit = amounts[0]
        phrase = f"Every {unit.removesuffix('s')}" if number == 1 else f"Every {number} {unit}"
        return f"{phrase} at {clock(start)}" if unit == "days" else phrase
    return "Every " + listed([plural(number, unit.removesuffix("s")) for number, unit in amounts])


@lru_cache(maxsize=1024)
def _of_cron(text: str) -> str:
    fields = cron.parse(text).fields
    # The locale is named because it is the machine's otherwise.
    options = Options(use_24hour_time_format=True, locale_code="en_US")
    try:
        phrase = str(ExpressionDescriptor(" ".join(fields), options).get_description())
    except (FormatError, MissingFieldError, ValueError, IndexError, KeyError):
        phrase = f"By the cron expression {' '.join(fields)}"
    if fields[2] != "*" and fields[4] != "*":
        both = fields[2].startswith("*") or fields[4].startswith("*")
        phrase += " (both days must fit)" if both else " (either day suffices)"
    return phrase


def _options(rule: Rule) -> list[str]:
    parts = []
    if _has_wall_times(rule):
        if rule.gap is Gap.SKIP:
            parts.append("times that do not exist are skipped")
        if rule.fold in _FOLDS:
            parts.append(_FOLDS[rule.fold])
    if rule.excluded:
        parts.append(f"not on {_some(rule.excluded)}")
    if rule.calendars:
        names = [f"“{calendar.name}”" for calendar in rule.calendars]
        parts.append(
            f"{_ROLLS[rule.roll]} the {'calendar' if len(names) == 1 else 'calendars'} {listed(names)}"
        )
    if rule.overrides:
        parts.append(f"{plural(len(rule.overrides), 'occurrence')} changed by hand")
    return parts


def _has_wall_times(rule: Rule) -> bool:
    """Whether `gap` and `fold` mean anything to it."""
    if rule.cron is not None:
        return not cron.parse(rule.cron).is_wildcard
    return not rule.is_interval or bool(intervals.Grid(rule).days)


def _some(texts: Sequence[str]) -> str:
    if len(texts) <= _MOST_NAMED:
        return listed(list(texts))
    return f"{', '.join(texts[:_MOST_NAMED])} and {len(texts) - _MOST_NAMED} more"
