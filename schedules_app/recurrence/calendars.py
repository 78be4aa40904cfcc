"""Days and instants on which a rule does not fire: `excluded_dates` and calendars."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from schedules_app.recurrence.base import (
    Calendar,
    InvalidRecurrence,
    Nominal,
    Note,
    Roll,
    Rule,
    Skip,
    in_utc,
)

MOST_DAYS_ROLLED = 366

_DAY = timedelta(days=1)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOST_REMEMBERED = 4_096


class _DaySet(Protocol):
    def contains(self, day: date, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Excluded:
    """`excluded_dates`, read: whole local days and single instants (UTC)."""

    days: frozenset[date]
    instants: frozenset[datetime]

    def contains(self, moment: datetime, day: date) -> bool:
        """Whether an occurrence at this instant, on this local day, is excluded."""
        return day in self.days or moment in self.instants


class OffDays:
    """The days that any of the calendars names; the answers are remembered."""

    def __init__(self, calendars: Iterable[Calendar]) -> None:
        self._dates: set[date] = set()
        self._sets: list[_DaySet] = []
        for calendar in calendars:
            self._dates.update(_dates_of(calendar))
            self._sets.extend(_sets_of(calendar))
        self._known: dict[date, bool] = {}

    def contains(self, day: date) -> bool:
        """Whether a calendar names the day."""
        if day in self._dates:
            return True
        if not self._sets:
            return False
        if (known := self._known.get(day)) is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[day] = any(days.contains(day) for days in self._sets)
        return known

    def working_day(self, day: date, roll: Roll) -> date | None:
        """The day itself or the nearest one in the roll's direction that no calendar names; None: none in reach."""
        step = _DAY if roll is Roll.NEXT else -_DAY
        try:
            for _ in range(MOST_DAYS_ROLLED + 1):
                if not self.contains(day):
                    return day
                day += step
        except OverflowError:
            pass
        return None


def check_calendar(calendar: Calendar) -> None:
    """Raises InvalidRecurrence, naming the calendar's field `dates` or `rrules`, if it cannot be followed."""
    _dates_of(calendar)
    _sets_of(calendar)


def check(rule: Rule) -> None:
    """Raises InvalidRecurrence if the exclusions or calendars of the rule cannot be followed."""
    excluded(rule.excluded)
    off_days(rule.calendars)


@lru_cache(maxsize=1024)
def excluded(texts: tuple[str, ...]) -> Excluded:
    """Read `excluded_dates`. Raises InvalidRecurrence."""
    read = [_entry(text) for text in texts]
    instants = frozenset(entry for entry in read if isinstance(entry, datetime))
    return Excluded(frozenset(entry for entry in read if not isinstance(entry, datetime)), instants)


def _entry(text: str) -> date | datetime:
    if isinstance(text, str) and _DATE.fullmatch(text):
        return _date("excluded_dates", text)
    try:
        return in_utc("excluded_dates", datetime.fromisoformat(text))
    except (TypeError, ValueError, InvalidRecurrence):
        raise InvalidRecurrence(
            "excluded_dates",
            f"{text!r} is neither a date like 2026-12-25 nor a time with an offset like 2026-12-25T09:00:00+01:00",
        ) from None


def _date(field: str, text: str) -> date:
    try:
        if isinstance(text, str) and _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidRecurrence(field, f"{text!r} is no date of the calendar; use one like 2026-12-25")


@lru_cache(maxsize=256)
def off_days(calendars: tuple[Calendar, ...]) -> OffDays:
    """The days of these calendars. Raises InvalidRecurrence."""
    return OffDays(calendars)


def _dates_of(calendar: Calendar) -> list[date]:
    return [_date("dates", text) for text in calendar.dates]


def _sets_of(calendar: Calendar) -> list[_DaySet]:
    if not calendar.rrules:
        return []
    from schedules_app.recurrence.rrules import day_set

    try:
        return [day_set(text) for text in calendar.rrules]
    except InvalidRecurrence as error:
        raise InvalidRecurrence("rrules", error.message) from None


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """The date that the zone's clocks show at an instant."""
    return moment.astimezone(zone).date()


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """An instant (UTC) before which the local day has not begun, mostly its first. Raises OverflowError."""
    return min(_midnights(day, zone))


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """An instant (UTC) at and after which the local day is over for good. Raises OverflowError."""
    return max(_midnights(day + _DAY, zone))


def _midnights(day: date, zone: ZoneInfo) -> list[datetime]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return [midnight.replace(fold=side).astimezone(UTC) for side in (0, 1)]


def as_excluded(item: Nominal) -> Nominal:
    """The occurrence as one that does not fire; a reason that it has already stays."""
    return item if item.skip else replace(item, notes=(*item.notes, Note.EXCLUDED), skip=Skip.EXCLUDED)
