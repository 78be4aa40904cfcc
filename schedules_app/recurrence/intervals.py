"""Interval rules: occurrence n is a closed formula of the anchor `starts_at`.

n times the days are added to the anchor's wall-clock time in the rule's zone, then n times the hours, minutes and
seconds as elapsed time. So nothing drifts, and the next occurrence costs the same whatever the schedule's age.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from schedules_app.recurrence.base import CatchUp as CatchUp  # the migrations know it by this module
from schedules_app.recurrence.base import Fold, Gap, Nominal, Rule
from schedules_app.recurrence.zones import merged, resolve, wall_of


class Grid:
    """The occurrences of a rule by number, 0 being the anchor; `ends_at` is not looked at.

    The times never fall as the number grows, but two may be equal: where a zone left out a whole day, a daily
    occurrence falls together with the next day's.
    """

    def __init__(self, rule: Rule) -> None:
        self.anchor = rule.starts_at
        self.days = timedelta(days=rule.days or 0)
        self.elapsed = timedelta(hours=rule.hours or 0, minutes=rule.minutes or 0, seconds=rule.seconds or 0)
        self.gap, self.fold = rule.gap, rule.fold
        if self.days:
            self.zone = ZoneInfo(rule.timezone)
            self.wall = wall_of(rule.starts_at, self.zone)

    def items(self, number: int) -> tuple[Nominal, ...]:
        """The times of an occurrence, two only if its wall-clock time is doubled; none beyond the calendar."""
        try:
            # The anchor itself may be the second of a doubled wall-clock time.
            if not self.days or number == 0:
                return (Nominal(self.anchor + number * self.elapsed),)
            starts = resolve(self.wall + number * self.days, self.zone, self.gap, self.fold)
            if not self.elapsed:
                return starts
            return tuple(
                Nominal(start.at + number * self.elapsed, start.notes, start.skip) for start in starts
            )
        except OverflowError:
            return ()

    def at(self, number: int) -> datetime | None:
        """The (first) time of an occurrence; None when it lies beyond the calendar."""
        found = self.items(number)
        return found[0].at if found else None

    def _is_before(self, number: int, moment: datetime) -> bool:
        found = self.items(number)
        return bool(found) and found[-1].at < moment

    def first_from(self, moment: datetime) -> int:
        """The number of the first occurrence with a time at or after `moment`."""
        # Offsets differ by less than two days and a step with days lasts at least one, so the estimate is
        # off by a few steps at most; without days it is exact.
        number = max(0, (moment - self.anchor) // (self.days + self.elapsed))
        while number > 0 and not self._is_before(number - 1, moment):
            number -= 1
        while self._is_before(number, moment):
            number += 1
        return number

    def first_after(self, moment: datetime) -> int:
        """The number of the first occurrence strictly after `moment`."""
        number = self.first_from(moment)
        while self.at(number) == moment:
            number += 1
        return number

    def leader(self, number: int) -> int:
        """The lowest number whose occurrence falls together with that of `number`."""
        time = self.at(number)
        while number > 0 and self.at(number - 1) == time:
            number -= 1
        return number

    def distinct(self, numbers: Iterable[int]) -> Iterator[Nominal]:
        """The distinct times of these occurrences, in order, up to the calendar's end."""
        return merged(self._each(numbers))

    def _each(self, numbers: Iterable[int]) -> Iterator[Nominal]:
        for number in numbers:
            found = self.items(number)
            if not found:
                return
            yield from found


def has_closed_form(rule: Rule) -> bool:
    """Whether each occurrence of the rule is one time that its number alone tells: nothing is left out or moved."""
    is_bare = not (rule.excluded or rule.calendars or rule.overrides)
    return (
        rule.is_interval and is_bare and (not rule.days or (rule.gap, rule.fold) == (Gap.SHIFT, Fold.FIRST))
    )


def source(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """The occurrences at or after `moment`, ascending and distinct, up to the calendar's end."""
    grid = Grid(rule)
    if not grid.days:
        return _evenly(grid.at(grid.first_from(moment)), grid.elapsed)
    return (item for item in grid.distinct(count(grid.first_from(moment))) if item.at >= moment)


def _evenly(time: datetime | None, step: timedelta) -> Iterator[Nominal]:
    try:
        while time is not None:
            yield Nominal(time)
            time += step
    except OverflowError:
        return
