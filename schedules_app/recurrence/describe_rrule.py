"""An RFC 5545 recurrence in plain English: the common parts in words, the rest by its name."""

import calendar
from datetime import datetime, time
from itertools import product

from schedules_app.recurrence.rrule_days import DAILY, MONTHLY, WEEKLY, YEARLY, Recur
from schedules_app.recurrence.rrule_parsing import RuleSet
from schedules_app.recurrence.rrules import parse
from schedules_app.recurrence.words import clock, listed, ordinal, plural

_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_MOST_TIMES = 6


def phrase_of(text: str, start: datetime) -> str:
    """The recurrence with its DTSTART, the local `start`; never raises for a text that `rrules.parse` accepts."""
    try:
        return _set_phrase(parse(text), start)
    except Exception:  # a description must not make a schedule unreadable
        return f"By the recurrence rule {' '.join(text.split())}"


def _set_phrase(rules: RuleSet, start: datetime) -> str:
    phrases = [_phrase(recur, start) for recur in rules.rules]
    if rules.rdates:
        phrases.append(f"on {plural(len(rules.rdates), 'single date')}")
    phrase = "; and ".join(phrases)
    if rules.exdates:
        phrase += f", except on {plural(len(rules.exdates), 'date')}"
    for recur in rules.exrules:
        phrase += f", except {_lower(_phrase(recur, start))}"
    return phrase[:1].upper() + phrase[1:]


def _phrase(recur: Recur, start: datetime) -> str:
    unit = _UNITS[recur.freq]
    parts = [f"Every {unit}" if recur.interval == 1 else f"Every {recur.interval} {unit}s"]
    parts += [part for part in (_months(recur), _days(recur, start), _times(recur, start)) if part]
    if recur.bysetpos:
        parts.append(f"(of these the {listed([ordinal(number) for number in recur.bysetpos])})")
    phrase = " ".join(parts)
    if recur.count is not None:
        phrase += f", {plural(recur.count, 'time')}"
    if recur.until is not None:
        zone = " UTC" if recur.until.tzinfo else ""
        phrase += f", until {recur.until.date().isoformat()} {clock(recur.until)}{zone}"
    return phrase


def _lower(phrase: str) -> str:
    return phrase[:1].lower() + phrase[1:]


def _months(recur: Recur) -> str:
    return f"in {listed([calendar.month_name[month] for month in recur.bymonth])}" if recur.bymonth else ""


def _days(recur: Recur, start: datetime) -> str:
    parts = []
    if recur.byweekno:
        parts.append(f"in the {_ordinals(recur.byweekno)} week of the year")
    if recur.byyearday:
        parts.append(f"on the {_ordinals(recur.byyearday)} day of the year")
    if recur.bymonthday:
        parts.append(f"on the {_month_days(recur.bymonthday)}")
    if recur.byday:
        parts.append(f"on {listed([_weekday(day, nth) for day, nth in recur.byday])}")
    return ", if it is also ".join(parts) if parts else _day_of_start(recur, start)


def _ordinals(numbers: tuple[int, ...]) -> str:
    return listed([ordinal(number) for number in numbers])


def _month_days(numbers: tuple[int, ...]) -> str:
    return listed([ordinal(number) + (" day" if number < 0 else "") for number in numbers])


def _weekday(day: int, nth: int) -> str:
    return f"the {ordinal(nth)} {calendar.day_name[day]}" if nth else calendar.day_name[day]


def _day_of_start(recur: Recur, start: datetime) -> str:
    """What RFC 5545 takes from DTSTART when the rule does not say it."""
    if recur.freq == WEEKLY:
        return f"on {calendar.day_name[start.weekday()]}"
    if recur.freq == MONTHLY or (recur.freq == YEARLY and recur.bymonth):
        return f"on the {ordinal(start.day)}"
    if recur.freq == YEARLY:
        return f"on {calendar.month_name[start.month]} {start.day}"
    return ""


def _times(recur: Recur, start: datetime) -> str:
    if recur.freq > DAILY:
        named = (("hour", recur.byhour), ("minute", recur.byminute), ("second", recur.bysecond))
        parts = [
            f"{name} {listed([str(number) for number in numbers])}" for name, numbers in named if numbers
        ]
        return f"at {', '.join(parts)}" if parts else ""
    hours = recur.byhour or (start.hour,)
    minutes = recur.byminute or (start.minute,)
    seconds = recur.bysecond or (start.second,)
    times = [time(*each) for each in product(sorted(hours), sorted(minutes), sorted(seconds))]
    shown = [clock(each) for each in times]
    if len(shown) > _MOST_TIMES:
        return f"at {len(shown)} times of day from {shown[0]} to {shown[-1]}"
    return f"at {listed(shown)}"
