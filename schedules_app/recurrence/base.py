"""The words of a recurrence: the rule, its options, and one nominal time. Pure values, checked when they are made.

Every time that goes in or out is aware; what comes out is in UTC. The only exception raised is
`InvalidRecurrence`; a rule that runs past the end of the calendar simply has no further occurrence.
"""

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 29, tzinfo=UTC)
"""Two days inside the calendar's ends, so that every zone can show every accepted time."""

MOST_SECONDS = 100 * 36_525 * 864
"""Longest interval in each column: 100 years of 365.25 days."""

UNIT_SECONDS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class InvalidRecurrence(Exception):
    """The rule cannot be followed; `field` names the column at fault, `message` says what would do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Gap(StrEnum):
    """What becomes of a wall-clock time that a zone leaves out, as when summer time begins."""

    SHIFT = "shift"  # it is moved behind the gap, as the recurrence's own standard says
    SKIP = "skip"  # it does not occur


class Fold(StrEnum):
    """Which of the two instants of a doubled wall-clock time is meant, as when summer time ends."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class Roll(StrEnum):
    """What becomes of an occurrence on a day that a calendar names."""

    SKIP = "skip"  # it does not fire
    NEXT = "next"  # it moves to the next day that no calendar names, same wall-clock time
    PREVIOUS = "previous"  # it moves to the day before that no calendar names, same wall-clock time


class CatchUp(StrEnum):
    """What becomes of missed occurrences, that is of those later than `Policy.late_after_seconds`."""

    LATEST = "latest"  # the latest one is fired, unless one that is on time is fired anyway
    ALL = "all"  # each is fired
    SKIP = "skip"  # none is fired


class Note(StrEnum):
    """What is special about one occurrence."""

    GAP = "gap"  # its wall-clock time does not exist on that day
    FOLD = "fold"  # its wall-clock time exists twice on that day
    EXCLUDED = "excluded"  # by excluded_dates or by a calendar
    ROLLED = "rolled"  # moved to another day because of a calendar
    MOVED = "moved"  # moved by a person
    SKIPPED = "skipped"  # skipped by a person
    JITTER = "jitter"  # its task starts later than its nominal time


class Skip(StrEnum):
    """Why an occurrence does not fire although its time comes: what the rule itself knows."""

    DST_GAP = "dst_gap"
    EXCLUDED = "excluded"
    REQUESTED = "requested"  # a person asked for it


@dataclass(frozen=True, slots=True)
class Nominal:
    """One nominal time of a rule; `skip` None: it fires."""

    at: datetime
    notes: tuple[Note, ...] = ()
    skip: Skip | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """A shared, named set of days: `dates` (ISO, like 2026-12-25) and `rrules` (RFC 5545, read as whole days)."""

    name: str
    dates: tuple[str, ...] = ()
    rrules: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    """The IANA names that are accepted: those that mean the same on every machine."""
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a schedule occurs: exactly one kind of recurrence (an interval, `cron` or `rrule`) and its options.

    The units of an interval add up per step. `ends_at` is inclusive. `excluded` are ISO dates of the rule's zone, or
    times with an offset. `overrides` pairs a nominal time with the time that it was moved to, None: it is skipped.
    Raises InvalidRecurrence for anything that cannot be followed.
    """

    starts_at: datetime
    timezone: str = "UTC"
    ends_at: datetime | None = None
    days: int | None = None
    hours: int | None = None
    minutes: int | None = None
    seconds: int | None = None
    cron: str | None = None
    rrule: str | None = None
    gap: Gap = Gap.SHIFT
    fold: Fold = Fold.FIRST
    excluded: tuple[str, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    roll: Roll = Roll.SKIP
    overrides: tuple[tuple[datetime, datetime | None], ...] = ()

    def __post_init__(self) -> None:
        for unit in UNIT_SECONDS:
            _check_interval(unit, getattr(self, unit))
        self._check_kind()
        if not isinstance(self.timezone, str) or self.timezone not in known_zones():
            raise InvalidRecurrence(
                "timezone", f"{self.timezone!r} is no IANA zone; use one like Europe/Berlin"
            )
        starts_at = in_calendar("starts_at", self.starts_at)
        if self.rrule is not None:
            # RFC 5545 knows whole seconds: with a fraction, the start would miss its own first occurrence.
            starts_at = starts_at.replace(microsecond=0)
        object.__setattr__(self, "starts_at", starts_at)
        if self.ends_at is not None:
            object.__setattr__(self, "ends_at", in_calendar("ends_at", self.ends_at))
            if self.ends_at < self.starts_at:
                raise InvalidRecurrence(
                    "ends_at", "lies before starts_at; give a later time, or null for no end"
                )
        overrides = tuple(
            (_override(old), None if new is None else _override(new)) for old, new in self.overrides
        )
        object.__setattr__(self, "overrides", overrides)
        self._check_texts()

    @property
    def is_interval(self) -> bool:
        return any((self.days, self.hours, self.minutes, self.seconds))

    def _check_texts(self) -> None:
        # These modules need this one.
        from schedules_app.recurrence import calendars, cron, rrules

        if self.cron is not None:
            cron.parse(self.cron)
        if self.rrule is not None:
            rrules.parse(self.rrule)
        calendars.check(self)

    def _check_kind(self) -> None:
        kinds = [self.is_interval, self.cron is not None, self.rrule is not None]
        if not any(kinds):
            raise InvalidRecurrence(
                "every_x_days",
                "give one recurrence: every_x_days, …_hours, …_minutes, …_seconds, cron or rrule",
            )
        if sum(kinds) > 1:
            field = "rrule" if self.rrule is not None else "cron"
            raise InvalidRecurrence(field, "give either intervals, or cron, or rrule; set the others to null")


def _check_interval(unit: str, value: object) -> None:
    if value is None:
        return
    most = min(MOST_SECONDS // UNIT_SECONDS[unit], 2**31 - 1)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidRecurrence(f"every_x_{unit}", f"use a whole number from 1 to {most}")


def _override(value: datetime) -> datetime:
    return in_calendar("overrides", value)


def in_calendar(field: str, value: datetime) -> datetime:
    """The time in UTC; raises InvalidRecurrence when it is naive or lies outside of EARLIEST to LATEST."""
    moment = in_utc(field, value)
    if not EARLIEST <= moment <= LATEST:
        raise InvalidRecurrence(field, f"use a time between {EARLIEST:%Y-%m-%d} and {LATEST:%Y-%m-%d}")
    return moment


def in_utc(field: str, value: datetime) -> datetime:
    """The time in UTC; raises InvalidRecurrence when it is naive or lies outside of the calendar."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidRecurrence(field, "use a date and time with an offset from UTC")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidRecurrence(field, "lies outside of the calendar") from None
