"""Cron expressions: five fields as in Debian's crontab(5), with names, ranges, steps, lists, L, LW and #.

`cronsim` parses them. Times of change follow Debian's cron (cron(8), "Notes"): an expression whose minute or hour
field starts with `*` follows the local clock minute by minute, so that it keeps its cadence; any other has fixed
times, which in a gap move to the gap's end and in a fold come once, unless the rule says otherwise.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from schedules_app.recurrence.base import Fold, InvalidRecurrence, Nominal, Rule
from schedules_app.recurrence.zones import in_order, wall_before

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MOST_CHARACTERS = 200
MOST_DAYS = 36_525
"""100 years: an expression that finds no day for so long will not find one at all; 29 February on a given weekday
recurs after 40 years at most."""

_ONE_WITH_STEP = re.compile(r"(?<![^,])(\w+)-\1/0*[1-9]\d*(?![^,])", re.ASCII)
_DAY = timedelta(days=1)
_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - wall-clock time
_FIELDS = {
    "minute": (0, "0 to 59, like 0, */15 or 10-20"),
    "hour": (1, "0 to 23, like 9, */2 or 8-17"),
    "day-of-month": (2, "1 to 31, L for the last day or LW for the last weekday"),
    "month": (3, "1 to 12 or JAN to DEC"),
    "day-of-week": (
        4,
        "0 to 7 (0 and 7 are Sunday), SUN to SAT, 5L for the last Friday or 1#2 for the second Monday",
    ),
}


class Cron:
    """A parsed expression: which local minutes match; `is_wildcard`: it follows the clock through gap and fold."""

    def __init__(self, fields: list[str]) -> None:
        self.fields = tuple(fields)
        self._parsed = CronSim(" ".join(fields), _SOME_DAY)
        minutes, hours = sorted(self._parsed.minutes), sorted(self._parsed.hours)
        self._marks = [timedelta(hours=hour, minutes=minute) for hour in hours for minute in minutes]
        self.is_wildcard = fields[0].startswith("*") or fields[1].startswith("*")

    def walls(self, start: datetime) -> Iterator[datetime]:
        """The wall-clock times at or after `start` that match, ascending, up to the calendar's end."""
        midnight = datetime(start.year, start.month, start.day)  # noqa: DTZ001
        for day in self._days(midnight):
            first = bisect_left(self._marks, start - day) if day == midnight else 0
            for mark in self._marks[first:] if first else self._marks:
                yield day + mark

    def _days(self, day: datetime) -> Iterator[datetime]:
        months, matches = self._parsed.months, self._parsed.match_day
        limit = day.toordinal() + MOST_DAYS
        while (ordinal := day.toordinal()) <= limit:
            if day.month not in months:
                day = _next_month(day)
            else:
                if matches(day):
                    yield day
                    limit = ordinal + MOST_DAYS
                day += _DAY


def _next_month(day: datetime) -> datetime:
    return day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1, day=1)


@lru_cache(maxsize=1024)
def parse(text: str) -> Cron:
    """The expression, parsed once per text. Raises InvalidRecurrence for field `cron`, naming the part at fault."""
    # cronsim reads 5-5/2 as 5/2, that is from 5 on.
    fields = [_ONE_WITH_STEP.sub(r"\1", field) for field in _fields(text)]
    _check_steps(fields)
    try:
        cron = Cron(fields)
    except CronSimError as error:
        raise _refusal(str(error), fields) from None
    if next(cron.walls(_SOME_DAY), None) is None:
        raise InvalidRecurrence("cron", f"{text!r} never comes: no date fits its days and months")
    return cron


def _fields(text: str) -> list[str]:
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise InvalidRecurrence("cron", f"use a text of at most {MOST_CHARACTERS} characters")
    if text.strip().startswith("@"):
        if (full := MACROS.get(text.strip().lower())) is None:
            raise InvalidRecurrence(
                "cron", f"{text!r} is unknown; use one of {', '.join(MACROS)} or five fields"
            )
        return full.split()
    fields = text.upper().split()
    if len(fields) == 6:
        raise InvalidRecurrence(
            "cron", "has six fields; seconds are not supported: use five fields, or every_x_seconds, or rrule"
        )
    if len(fields) != 5:
        raise InvalidRecurrence(
            "cron",
            f"has {len(fields)} field(s); use five like 0 9 * * MON-FRI: minute, hour, day of month, month, weekday",
        )
    return fields


def _check_steps(fields: list[str]) -> None:
    """cronsim reads L/2 as L."""
    if any(term.startswith("L") and "/" in term for term in fields[2].split(",")):
        raise _bad("day-of-month", fields)


def _refusal(message: str, fields: list[str]) -> InvalidRecurrence:
    name = message.removeprefix("Bad ")
    if name not in _FIELDS:
        return InvalidRecurrence("cron", f"cannot be read ({message}); use five fields like 0 9 * * MON-FRI")
    try:
        # It says the same of days that are no numbers and of days that no month of the list has.
        CronSim(" ".join([*fields[:3], "*", fields[4]]), _SOME_DAY)
    except CronSimError:
        return _bad(name, fields)
    if name == "month":
        return _bad(name, fields)
    return InvalidRecurrence(
        "cron", f"never comes: day {fields[2]} is in no month of {fields[3]}; change one of the two"
    )


def _bad(name: str, fields: list[str]) -> InvalidRecurrence:
    number, hint = _FIELDS[name]
    return InvalidRecurrence("cron", f"the {name} field {fields[number]!r} cannot be read; use {hint}")


def source(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """The times at or after `moment` and `starts_at` (which need not be one), ascending, distinct."""
    assert rule.cron is not None, "for the type checker"
    cron, zone = parse(rule.cron), ZoneInfo(rule.timezone)
    moment = max(moment, rule.starts_at)
    walls = cron.walls(wall_before(moment, zone))
    if cron.is_wildcard:
        items = in_order(_safely(walls), zone, None, Fold.BOTH)
    else:
        items = in_order(_safely(walls), zone, rule.gap, rule.fold, to_edge=True)
    return (item for item in items if item.at >= moment)


def _safely(walls: Iterator[datetime]) -> Iterator[datetime]:
    try:
        yield from walls
    except (OverflowError, ValueError):  # beyond the year 9999
        return
