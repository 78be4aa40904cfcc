"""Which days the BY parts of an RRULE name (RFC 5545, 3.3.10), a year at a time, cached; python-dateutil decides.

After 400 years the Gregorian calendar repeats itself, weekdays too: dateutil is only asked about 2000 to 2399,
because it fails at the calendar's ends.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from dateutil import rrule as dateutil

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY = range(7)

_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097

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
    bymonth: Numbers
    bymonthday: Numbers
    byyearday: Numbers
    byweekno: Numbers
    byday: tuple[tuple[int, int], ...]

    def of_dateutil(self, freq: int, begin: int, end: int) -> Iterator[int]:
        """The days from `begin` up to, without, `end`, in periods that begin there."""
        rule = dateutil.rrule(
            freq,
            dtstart=datetime.fromordinal(begin),
            # Else dateutil would look through the next year, too, to see that it is late.
            interval=10_000 if freq == YEARLY else 1,
            until=datetime.fromordinal(end - 1),
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
        return (day.toordinal() for day in rule)

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
    begin, end = date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()
    if days is None:
        return array("H", range(end - begin))
    return array("H", (day - begin for day in days.of_dateutil(days.freq, begin, end)))


@lru_cache(maxsize=4096)
def _week(days: NamedDays, begin: int, end: int) -> Sequence[int]:
    """The named days of one week: at a turn of the year dateutil's week numbers depend on where the week began."""
    return tuple(days.of_dateutil(WEEKLY, begin, end))


def week(days: NamedDays, begin: int, end: int) -> Sequence[int]:
    """The named days from `begin` up to, without, `end`, which lie in one week."""
    shift = (begin - date(2000, 1, 1).toordinal()) // _CYCLE_DAYS * _CYCLE_DAYS
    return [day + shift for day in _week(days, begin - shift, end - shift)]


def between(days: NamedDays | None, begin: int, end: int) -> Sequence[int]:
    """The named days from `begin` up to, without, `end`; None: every day."""
    return [day for year in _years(begin, end) for day in _year_slice(days, year, begin, end)]


def _table_of(days: NamedDays | None, year: int) -> Sequence[int]:
    return _table(days, 2000 + year % _CYCLE_YEARS)


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
