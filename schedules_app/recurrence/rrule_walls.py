"""The wall-clock times of one RRULE (RFC 5545, 3.3.10), from any point on, at a price that does not grow with its age.

python-dateutil decides which days of a year, a month or a week the BY parts name, one year at a time, cached; it
can only walk from DTSTART. INTERVAL, the times of day and BYSETPOS are arithmetic here, so that any period can be
entered directly. What comes out equals dateutil's own sequence from there on; the tests hold the two together.
"""

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import islice, product, takewhile
from math import gcd

from schedules_app.recurrence.rrule_days import (
    DAILY,
    HOURLY,
    MINUTELY,
    MONTHLY,
    SECONDLY,
    WEEKLY,
    YEARLY,
    Numbers,
    Recur,
    between,
    first_named,
    named_days,
    week,
)

DAY = 86_400
_UNIT = {DAILY: DAY, HOURLY: 3_600, MINUTELY: 60, SECONDLY: 1}
_END = (date.max.toordinal() + 1) * DAY
_HORIZON = 36_525 * DAY
"""A rule that gives nothing for 100 years has ended."""

_COUNTED = 300 * 366 * DAY
"""How far a COUNT is followed, which would else be a walk over 8,000 years; one that lasts longer does not end."""


@lru_cache(maxsize=2048)
def walk(recur: Recur, dtstart: datetime) -> "Walk":
    """The times of a rule from a naive DTSTART in whole seconds; a `recur.until` must be naive."""
    complete = completed(recur, dtstart)
    return _ClockWalk(complete, dtstart) if recur.freq >= DAILY else _CalendarWalk(complete, dtstart)


class Walk(ABC):
    """The ascending wall-clock times of one rule. DTSTART is among them only if the rule itself gives it."""

    def __init__(self, recur: Recur, dtstart: datetime) -> None:
        self.recur = recur
        self.start = _seconds(dtstart)
        self.days = named_days(recur)

    def since(self, wall: datetime) -> Iterator[datetime]:
        """The times at or after a naive wall-clock time; it ends after 100 years without one."""
        times = self._times(max(self.start, _seconds(wall)))
        end = self.end
        if end is not None:
            times = takewhile(lambda time: time <= end, times)
        return map(_datetime, times)

    @cached_property
    def end(self) -> int | None:
        """The last second that the rule may give: its UNTIL, or where its COUNT is used up."""
        if self.recur.until is not None:
            return _seconds(self.recur.until)
        if self.recur.count is None:
            return None
        times = takewhile(lambda time: time <= self.start + _COUNTED, self._times(self.start))
        return next(islice(times, self.recur.count - 1, None), None)

    @abstractmethod
    def _times(self, start: int) -> Iterator[int]:
        """The times at or after `start`, ascending, COUNT and UNTIL aside; all in seconds of the wall clock."""


class _CalendarWalk(Walk):
    """YEARLY, MONTHLY and WEEKLY: a period is a run of days, of which the BY parts choose."""

    def __init__(self, recur: Recur, dtstart: datetime) -> None:
        super().__init__(recur, dtstart)
        self.offsets = _offsets(recur.byhour, recur.byminute, recur.bysecond)
        self.first = self._number_of(self.start // DAY)

    def _number_of(self, day: int) -> int:
        """Which year, month or week since the calendar's beginning a day lies in."""
        if self.recur.freq == WEEKLY:
            return (day - 1 - self.recur.wkst) // 7
        when = date.fromordinal(day)
        return when.year if self.recur.freq == YEARLY else when.year * 12 + when.month - 1

    def _span(self, number: int) -> tuple[int, int]:
        """The first day of a period and the one after its last."""
        if self.recur.freq == WEEKLY:
            monday = number * 7 + 1 + self.recur.wkst
            # dateutil's first week begins at DTSTART, which BYSETPOS can tell.
            return (max(monday, self.start // DAY) if number == self.first else monday), monday + 7
        if self.recur.freq == YEARLY:
            return _month_start(number * 12), _month_start(number * 12 + 12)
        return _month_start(number), _month_start(number + 1)

    def _days_in(self, begin: int, end: int) -> Sequence[int]:
        if self.days is not None and self.recur.freq == WEEKLY and self.recur.byweekno:
            return week(self.days, begin, end)
        return between(self.days, begin, end)

    def _times(self, start: int) -> Iterator[int]:
        step = self.recur.interval
        number = self.first + max(0, (self._number_of(start // DAY) - self.first) // step * step)
        last = start
        while True:
            begin, end = self._span(number)
            if begin * DAY > min(last + _HORIZON, _END - 1):
                return
            for time in self._in_period(begin, end, start):
                last = time
                yield time
            number += step

    def _in_period(self, begin: int, end: int, start: int) -> Iterator[int]:
        if self.recur.bysetpos:
            yield from (time for time in self._chosen(self._days_in(begin, end)) if time >= start)
            return
        # A week stays whole: which days its number names depends on where it began.
        entered = begin if self.recur.freq == WEEKLY else max(begin, start // DAY)
        for day in self._days_in(entered, end):
            skipped = bisect_left(self.offsets, start - day * DAY)
            yield from (day * DAY + offset for offset in self.offsets[skipped:])

    def _chosen(self, days: Sequence[int]) -> list[int]:
        times = set()
        for position in self.recur.bysetpos:
            day, time = divmod(position - (position > 0), len(self.offsets))
            if -len(days) <= day < len(days):
                times.add(days[day] * DAY + self.offsets[time])
        return sorted(times)


class _ClockWalk(Walk):
    """DAILY down to SECONDLY: a period is a stretch of at most one day, with the same times in each that is named."""

    def __init__(self, recur: Recur, dtstart: datetime) -> None:
        super().__init__(recur, dtstart)
        unit = _UNIT[recur.freq]
        self.step = unit * recur.interval
        self.origin = self.start // unit * unit
        inner = (recur.byhour, recur.byminute, recur.bysecond)
        depth = recur.freq - DAILY
        self.offsets = _positions(_offsets(*[(0,)] * depth, *inner[depth:]), recur.bysetpos)
        fields = zip(inner[:depth], (3_600, 60, 1), (DAY, 3_600, 60), strict=False)
        self.limits = [field for field in fields if field[0]]

    @cached_property
    def _is_reachable(self) -> bool:
        """Whether any period can begin at a time of day that the BY parts name."""
        rate = gcd(self.step, DAY)
        at = self.origin % rate
        while at < DAY and (named := self._named_from(at)) > at:
            at -= (at - named) // rate * rate
        return at < DAY and len(self.offsets) > 0

    def _named_from(self, time: int) -> int:
        """The time itself if BYHOUR, BYMINUTE and BYSECOND name it, else one that no named time lies before."""
        for values, unit, whole in self.limits:
            base = time - time % whole
            found = bisect_left(values, (time - base) // unit)
            if found == len(values):
                return base + whole
            if base + values[found] * unit > time:
                return base + values[found] * unit
        return time

    def _aligned(self, time: int) -> int:
        return self.origin - (self.origin - time) // self.step * self.step

    def _times(self, start: int) -> Iterator[int]:
        at = self.origin + max(0, (start - self.origin) // self.step * self.step)
        limit, midnight = start + _HORIZON, 0
        while at <= limit and at < _END and self._is_reachable:
            if self.days is not None and at >= midnight:
                day = first_named(self.days, at // DAY, limit // DAY)
                if day is None:
                    return
                midnight = (day + 1) * DAY
                if day * DAY > at:
                    at = self._aligned(day * DAY)
                    continue
            named = self._named_from(at)
            if named > at:
                at = self._aligned(named)
                continue
            skipped = bisect_left(self.offsets, start - at) if at < start else 0
            yield from (at + offset for offset in self.offsets[skipped:])
            limit = at + _HORIZON
            at += self.step


def _seconds(wall: datetime) -> int:
    """Seconds of the wall's clock, rounded up, so that a fraction does not let an earlier second in."""
    second = wall.hour * 3_600 + wall.minute * 60 + wall.second + (wall.microsecond > 0)
    return wall.toordinal() * DAY + second


def _datetime(time: int) -> datetime:
    day, second = divmod(time, DAY)
    return datetime.fromordinal(day) + timedelta(seconds=second)


def completed(recur: Recur, dtstart: datetime) -> Recur:
    """The rule with what it takes from DTSTART given explicitly, as dateutil does it."""
    given: dict[str, Numbers | tuple[tuple[int, int], ...]] = {}
    if not (recur.byday or recur.bymonthday or recur.byyearday or recur.byweekno):
        if recur.freq == YEARLY and not recur.bymonth:
            given["bymonth"] = (dtstart.month,)
        if recur.freq in (YEARLY, MONTHLY):
            given["bymonthday"] = (dtstart.day,)
        if recur.freq == WEEKLY:
            given["byday"] = ((dtstart.weekday(), 0),)
    times = zip(("byhour", "byminute", "bysecond"), (HOURLY, MINUTELY, SECONDLY), strict=True)
    for name, freq in times:
        if recur.freq < freq and not getattr(recur, name):
            given[name] = (getattr(dtstart, name.removeprefix("by")),)
    return replace(recur, **given)  # type: ignore[arg-type]


def _offsets(hours: Numbers, minutes: Numbers, seconds: Numbers) -> Sequence[int]:
    return array("i", (h * 3_600 + m * 60 + s for h, m, s in product(hours, minutes, seconds)))


def _positions(offsets: Sequence[int], positions: Numbers) -> Sequence[int]:
    """The times of a period of one day or less that BYSETPOS chooses; they are the same in each period."""
    if not positions:
        return offsets
    size = len(offsets)
    indexes = {place - (place > 0) for place in positions if -size <= place <= size}
    return array("i", sorted({offsets[index] for index in indexes}))


def _month_start(number: int) -> int:
    """The first day of a month, counted from the calendar's beginning; beyond its end `_END`'s day or later."""
    year, month = divmod(number, 12)
    return date(year, month + 1, 1).toordinal() if year <= date.max.year else _END // DAY
