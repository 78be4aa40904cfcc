"""Occurrences on days that a calendar names, moved to the next or previous day that none names.

It goes by days and not by occurrences: each local day that has occurrences lands on one day, later days never land on
earlier ones, and what lands on one day is merged from streams that begin where they are needed. So a rule of every
second that rolls over a weekend costs no more than one of every day.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from schedules_app.recurrence.base import EARLIEST, LATEST, Gap, Nominal, Note, Roll, Rule
from schedules_app.recurrence.calendars import (
    MOST_DAYS_ROLLED,
    Excluded,
    OffDays,
    as_excluded,
    end_of,
    local_day,
    start_of,
)
from schedules_app.recurrence.zones import in_order, merged, resolve, wall_before, wall_of

_DAY = timedelta(days=1)

Source = Callable[[Rule, datetime], Iterator[Nominal]]
_Part = tuple[date, int, Iterator[Nominal]]
"""What some day's occurrences give on the day where they land; the number only keeps the order of equal ones."""


class Rolling:
    """The occurrences of `source` at or after `moment` with rolls and exclusions applied."""

    def __init__(
        self, rule: Rule, moment: datetime, source: Source, off_days: OffDays, excluded: Excluded
    ) -> None:
        self.rule, self.source, self.off_days, self.excluded = rule, source, off_days, excluded
        self.zone = ZoneInfo(rule.timezone)
        self.moment = max(moment, rule.starts_at)
        self.end = LATEST if rule.ends_at is None else min(rule.ends_at, LATEST)
        self.low = wall_before(self.moment, self.zone)

    def items(self) -> Iterator[Nominal]:
        """Ascending, distinct."""
        return (item for item in merged(self._in_order()) if item.at >= self.moment)

    def _in_order(self) -> Iterator[Nominal]:
        parts: list[_Part] = []
        carried: list[Nominal] = []
        for number, day in enumerate(self._source_days()):
            landing = self._landing(day)
            yield from self._flushed(parts, carried, day if landing is None else min(day, landing))
            for where, items in self._parts_of(day, landing):
                heapq.heappush(parts, (where, number, items))
        yield from self._flushed(parts, carried, date.max)

    def _flushed(self, parts: list[_Part], carried: list[Nominal], before: date) -> Iterator[Nominal]:
        """What lands on days before this one; all that comes later lands on it or behind it.

        `carried` takes what a gap or fold at midnight moved beyond the day's end, to be merged with what follows.
        """
        while parts and parts[0][0] < before:
            where = parts[0][0]
            streams: list[Iterable[Nominal]] = [list(carried)]
            carried.clear()
            while parts and parts[0][0] == where:
                streams.append(heapq.heappop(parts)[2])
            limit = self._start_of(min(parts[0][0], before) if parts else before)
            for item in heapq.merge(*streams, key=_at):
                if item.at < limit:
                    yield item
                else:
                    carried.append(item)
        if before == date.max:
            yield from carried

    def _source_days(self) -> Iterator[date]:
        """The local days that have occurrences, from the first that may land at `moment` or later."""
        with suppress(OverflowError):
            day = self._first_day()
            while (found := self._next_day(day)) is not None:
                yield found
                day = found + _DAY

    def _first_day(self) -> date:
        # Two days back: a gap of a whole day may move a time by as much.
        day = max(local_day(self.moment, self.zone), date(1, 1, 3)) - 2 * _DAY
        if self.rule.roll is Roll.NEXT and (landing := self._landing(day)) is not None:
            earliest = max(landing.toordinal() - MOST_DAYS_ROLLED, 2)
            while day.toordinal() > earliest and self.off_days.contains(day - _DAY):
                day -= _DAY
        return day

    def _next_day(self, day: date) -> date | None:
        for item in self.source(self.rule, self._start_of(day)):
            if item.at > self.end:
                return None
            # Where clocks are set back over midnight, the day before comes once more.
            if (found := local_day(item.at, self.zone)) >= day:
                return found
        return None

    def _landing(self, day: date) -> date | None:
        return self.off_days.working_day(day, self.rule.roll)

    def _parts_of(self, day: date, landing: date | None) -> Iterator[tuple[date, Iterator[Nominal]]]:
        if landing is None:
            yield day, map(as_excluded, self._own(day, self.moment))
        elif landing == day:
            yield day, map(self._marked, self._own(day, self.moment))
        else:
            yield landing, self._rolled(day, landing - day)
            if not self._rolls_as_a_whole(day, landing):
                yield day, self._left(day, landing - day)

    def _rolls_as_a_whole(self, day: date, landing: date) -> bool:
        excluded = self.excluded
        if day in excluded.days or any(local_day(at, self.zone) == day for at in excluded.instants):
            return False
        # A gap or fold may move a time to the next day.
        inside = self.rule.starts_at <= self._start_of(landing) and self._end_of(landing + _DAY) <= self.end
        # Only a gap makes the source skip one itself.
        return inside and (self.rule.gap is not Gap.SKIP or self._is_quiet(day))

    def _is_quiet(self, day: date) -> bool:
        """Whether no change of clocks touches the day; one at its midnight does, though the day has 24 hours."""
        before, after = self._start_of(day) - timedelta.resolution, self._end_of(day)
        return before.astimezone(self.zone).utcoffset() == after.astimezone(self.zone).utcoffset()

    def _own(self, day: date, moment: datetime) -> Iterator[Nominal]:
        """The source's occurrences on a local day, from `moment` on."""
        over = min(self.end, self._end_of(day) - timedelta.resolution)
        for item in self.source(self.rule, max(moment, self._start_of(day))):
            if item.at > over:
                return
            if local_day(item.at, self.zone) == day:
                yield item

    def _rolled(self, day: date, shift: timedelta) -> Iterator[Nominal]:
        """What comes of the day's occurrences on the day where they land."""
        moving = (item for item in self._own(day, self._needed_from(shift)) if self._moves(item, shift))
        walls: Iterable[datetime] = (wall_of(item.at, self.zone) + shift for item in moving)
        if not self._is_quiet(day):
            walls = sorted(set(walls))
        rule = self.rule
        for item in in_order(walls, self.zone, rule.gap, rule.fold, to_edge=rule.cron is not None):
            if rule.starts_at <= item.at <= self.end:
                yield self._marked(replace(item, notes=(Note.ROLLED, *item.notes)))

    def _needed_from(self, shift: timedelta) -> datetime:
        """No earlier occurrence lands at `moment` or later."""
        try:
            wall = self.low - shift
            return min(wall.replace(tzinfo=self.zone, fold=side).astimezone(UTC) for side in (0, 1))
        except OverflowError:
            return EARLIEST

    def _left(self, day: date, shift: timedelta) -> Iterator[Nominal]:
        """The day's occurrences that stay where they are, not firing."""
        staying = (item for item in self._own(day, self.moment) if not self._moves(item, shift))
        return map(as_excluded, staying)

    def _moves(self, item: Nominal, shift: timedelta) -> bool:
        wall = wall_of(item.at, self.zone)
        if item.skip or self.excluded.contains(item.at, wall.date()):
            return False
        rule = self.rule
        try:
            found = resolve(wall + shift, self.zone, rule.gap, rule.fold, to_edge=rule.cron is not None)
        except OverflowError:
            return False
        return any(rule.starts_at <= target.at <= self.end for target in found)

    def _marked(self, item: Nominal) -> Nominal:
        is_excluded = self.excluded.contains(item.at, local_day(item.at, self.zone))
        return as_excluded(item) if is_excluded else item

    def _start_of(self, day: date) -> datetime:
        try:
            return start_of(day, self.zone)
        except OverflowError:
            return EARLIEST if day.year < 5000 else datetime.max.replace(tzinfo=UTC)

    def _end_of(self, day: date) -> datetime:
        try:
            return end_of(day, self.zone)
        except OverflowError:
            return EARLIEST if day.year < 5000 else datetime.max.replace(tzinfo=UTC)


def _at(item: Nominal) -> datetime:
    return item.at
