"""Which days the BY parts of an RRULE name (RFC 5545, 3.3.10), a year at a time, cached; python-dateutil decides.

Only some 21 kinds of years differ, by their leap days and weekdays: a search through a century asks dateutil about
each kind once. The years asked about lie in 2000 to 2399, because dateutil fails at the calendar's ends; after 400
years the Gregorian calendar repeats itself, weekdays too.
"""

from array import array
from bisect import bisect_left
from calendar import isleap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache

from dateutil import rrule as dateutil

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY = range(7)


Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recur:
    """One RRULE or EXRULE; `byday` pairs weekdays (Monday is 0) with their ordinals, 0 for none.

    `until` is inclusive: naive for a wall-clock time, aware for an instant.
    """

    freq: int
    interval: int = 1
    wkst: int = 0
    count: int | None = None
    until: datetime | None = None
    bymonth: Numbers = ()
    bymonthday: Numbers = ()
    byyearday: Numbers = ()
    byweekno: Numbers = ()
    byday: tuple[tuple[int, int], ...] = ()
    byhour: Numbers = ()
    byminute: Numbers = ()
    bysecond: Numbers = ()
    bysetpos: Numbers = ()


@dataclass(frozen=True, slots=True)
class NamedDays:
    """Which days a rule names, apart from its INTERVAL; `freq` is the period of the ordinals of `byday`."""

    freq: int
    wkst: int
    bymonth: Numbers = ()
    bymonthday: Numbers = ()
    byyearday: Numbers = ()
    byweekno: Numbers = ()
    byday: tuple[tuple[int, int], ...] = ()

    def of_dateutil(self, freq: int, begin: datetime) -> Iterator[date]:
        """The days of the one year or month that begins there."""
        rule = dateutil.rrule(
            freq,
            dtstart=begin,
            # An UNTIL would not do: where nothing is named, dateutil looks for a first time until the year 9999.
            interval=120_000,
            wkst=self.wkst,
            bymonth=self.bymonth or None,
            bymonthday=self.bymonthday or None,
            byyearday=self.byyearday or None,
            byweekno=self.byweekno or None,
            byweekday=self._weekdays(),
            byhour=0,
            byminute=0,
            bysecond=0,
        )
        return (day.date() for day in rule)

    def _weekdays(self) -> list[dateutil.weekday]:
        if not self.byday:  # every weekday; without any part dateutil would take the day from its DTSTART
            return [dateutil.weekday(day) for day in range(7)]
        if all(nth == 0 for _, nth in self.byday) or all(nth for _, nth in self.byday):
            return [dateutil.weekday(day, nth or None) for day, nth in self.byday]
        # dateutil wants a day to match both kinds; RFC 5545 means either.
        most = 53 if self.freq == YEARLY and not self.bymonth else 5
        spread = ((day, n) for day, nth in self.byday for n in ([nth] if nth else range(1, most + 1)))
        return [dateutil.weekday(day, nth) for day, nth in spread]


def named_days(recur: Recur) -> NamedDays | None:
    """None: every day."""
    has_ordinals = any(nth for _, nth in recur.byday)
    freq = MONTHLY if recur.freq == MONTHLY and has_ordinals else YEARLY
    days = NamedDays(
        freq,
        recur.wkst if recur.byweekno else 0,
        *(recur.bymonth, recur.bymonthday, recur.byyearday, recur.byweekno, recur.byday),
    )
    return days if any((days.bymonth, days.bymonthday, days.byyearday, days.byweekno, days.byday)) else None


@lru_cache(maxsize=4096)
def _table(days: NamedDays | None, year: int) -> Sequence[int]:
    """The named days of a year, counted from its first."""
    first = date(year, 1, 1)
    if days is None:
        return array("H", range(365 + isleap(year)))
    months = range(1, 13) if days.freq == MONTHLY else (1,)
    begins = (datetime(year, month, 1) for month in months)  # noqa: DTZ001
    return array("H", ((day - first).days for begin in begins for day in days.of_dateutil(days.freq, begin)))


def week(days: NamedDays, begin: int, end: int) -> Sequence[int]:
    """The named days from `begin` up to, without, `end`, which lie in one week."""
    if len(_years(begin, end)) < 2:
        return between(days, begin, end)
    # A week's number is that of the year it began in, also for dateutil, if its days are looked at as one week.
    turn = date(_years(begin, end)[1], 1, 1).toordinal()
    number = NamedDays(YEARLY, days.wkst, byweekno=days.byweekno)
    later = between(replace(days, byweekno=()), turn, end) if between(number, turn - 1, turn) else []
    return [*between(days, begin, turn), *later]


def between(days: NamedDays | None, begin: int, end: int) -> Sequence[int]:
    """The named days from `begin` up to, without, `end`; None: every day."""
    return [day for year in _years(begin, end) for day in _year_slice(days, year, begin, end)]


def _kind(year: int) -> tuple[bool, bool, int]:
    """All that the days of a year depend on; week numbers also look at the year before."""
    return isleap(year - 1), isleap(year), date(year, 1, 1).weekday()


_LIKE = {_kind(year): year for year in range(2000, 2400)}


def _table_of(days: NamedDays | None, year: int) -> Sequence[int]:
    return _table(days, _LIKE[_kind(year)])


def _years(begin: int, end: int) -> range:
    last = min(end - 1, date.max.toordinal())
    return range(date.fromordinal(begin).year, date.fromordinal(last).year + 1)


def _year_slice(days: NamedDays | None, year: int, begin: int, end: int) -> Sequence[int]:
    """The named days of a year from `begin` up to, without, `end`."""
    table, first = _table_of(days, year), date(year, 1, 1).toordinal()
    low, high = bisect_left(table, begin - first), bisect_left(table, end - first)
    return [first + day for day in table[low:high]]


def first_named(days: NamedDays, day: int, last: int) -> int | None:
    """The first named day at or after a day; None when the years up to `last` have none."""
    for year in _years(day, last + 1):
        table, first = _table_of(days, year), date(year, 1, 1).toordinal()
        found = bisect_left(table, day - first)
        if found < len(table):
            return first + table[found]
    return None
