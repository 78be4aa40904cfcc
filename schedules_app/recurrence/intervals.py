"""Interval rules: occurrence n is a closed formula of the anchor `starts_at`.

n times the days are added to the anchor's wall-clock time in the rule's zone, then n times the hours, minutes and
seconds as elapsed time. So nothing drifts, and the next occurrence costs the same whatever the schedule's age.
"""

import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from schedules_app.recurrence.base import EARLIEST, LATEST, Rule
from schedules_app.recurrence.base import in_utc as _utc


def resolve(wall: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """The instant of a wall-clock time: in a gap read with the offset before it, in a fold the first.

    RFC 5545, 3.3.5: in a gap 02:30 becomes 03:30. Raises OverflowError beyond the calendar.
    """
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


class _Grid:
    """The occurrences of a rule by number, 0 being the anchor; `ends_at` is not looked at.

    The times never fall as the number grows, but two may be equal: where a zone left out a whole day, a daily
    occurrence falls together with the next day's.
    """

    def __init__(self, rule: Rule) -> None:
        self.anchor = rule.starts_at
        self.zone = zoneinfo.ZoneInfo(rule.timezone)
        self.wall = rule.starts_at.astimezone(self.zone).replace(tzinfo=None)
        self.days = timedelta(days=rule.days or 0)
        self.elapsed = timedelta(hours=rule.hours or 0, minutes=rule.minutes or 0, seconds=rule.seconds or 0)

    def at(self, number: int) -> datetime | None:
        """The time of an occurrence; None when it lies beyond the calendar."""
        try:
            # The anchor itself may be the second of a doubled wall-clock time.
            is_wall_time = self.days and number
            start = resolve(self.wall + number * self.days, self.zone) if is_wall_time else self.anchor
            return start + number * self.elapsed
        except OverflowError:
            return None

    def _is_before(self, number: int, moment: datetime) -> bool:
        time = self.at(number)
        return time is not None and time < moment

    def first_from(self, moment: datetime) -> int:
        """The number of the first occurrence at or after `moment`."""
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

    def times(self, numbers: Iterable[int]) -> tuple[datetime, ...]:
        """The distinct times of these occurrences, in order."""
        return tuple(dict.fromkeys(time for time in map(self.at, numbers) if time is not None))


def _unless_ended(rule: Rule, time: datetime | None) -> datetime | None:
    if time is None or time > LATEST or (rule.ends_at is not None and time > rule.ends_at):
        return None
    return time


def next_after(rule: Rule, after: datetime) -> datetime | None:
    """The first occurrence strictly after `after`; None when there is none."""
    grid = _Grid(rule)
    return _unless_ended(rule, grid.at(grid.first_after(_utc("after", after))))


def next_from(rule: Rule, moment: datetime) -> datetime | None:
    """The first occurrence at or after `moment`; None when there is none."""
    grid = _Grid(rule)
    return _unless_ended(rule, grid.at(grid.first_from(_utc("moment", moment))))


class CatchUp(StrEnum):
    """What becomes of missed occurrences, that is of those later than `Policy.late_after_seconds`."""

    LATEST = "latest"  # the latest one is fired, unless one that is on time is fired anyway
    ALL = "all"  # each is fired
    SKIP = "skip"  # none is fired


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How missed occurrences are treated. What is on time is always fired, within the cap."""

    catch_up: CatchUp = CatchUp.LATEST
    window_seconds: float = 86_400
    """A missed occurrence that lies further back is not fired under any policy."""
    late_after_seconds: float = 60
    cap: int = 100
    """Most occurrences fired by one plan; the newest are kept."""
    ledger_rows: int = 10
    """Most entries of `Plan.skipped`; the oldest beyond it are summed up in one."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A run of `count` occurrences that are not fired, from `first` to `last`; mostly just one.

    In a run of several, occurrences that fall together are counted each.
    """

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The verdict on each occurrence that is due, and the first that is not; `next_at` None: none is left."""

    fires: tuple[datetime, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    next_at: datetime | None = None


def is_late(occurs_at: datetime, now: datetime, policy: Policy) -> bool:
    """Whether an occurrence that is fired `now` is later than the policy calls on time."""
    return (now - occurs_at).total_seconds() > policy.late_after_seconds


def plan_fires(
    rule: Rule, first: datetime, now: datetime, policy: Policy, *, remaining: int | None = None
) -> Plan:
    """Decide on all occurrences from `first` to `now`, both inclusive.

    `first` is the first occurrence without a verdict. `remaining` is how many more may be fired in all, None
    meaning any number; once they are used up the rule is finished, and what would come later has no verdict.
    """
    if remaining is not None and remaining <= 0:
        return Plan()
    grid, first, now = _Grid(rule), _utc("first", first), _utc("now", now)
    begin = grid.first_from(first)
    end = max(begin, grid.first_after(now if rule.ends_at is None else min(now, rule.ends_at)))
    next_at = _unless_ended(rule, grid.at(end))
    if begin == end:
        return Plan(next_at=next_at)
    start = min(end, max(begin, _first_fired(grid, end, now, policy)))
    fires = grid.times(range(start, end))
    skipped = _skipped(grid, begin, start, policy.ledger_rows)
    if remaining is not None and len(fires) >= remaining:
        fires, next_at = fires[:remaining], None
    return Plan(fires, skipped, next_at)


def _first_fired(grid: _Grid, end: int, now: datetime, policy: Policy) -> int:
    """The number of the first occurrence before `end` that is fired; `end` or more when none is."""
    start = grid.first_from(_back(now, policy.late_after_seconds))
    if policy.catch_up is not CatchUp.SKIP:
        in_window = grid.first_from(_back(now, policy.window_seconds))
        if policy.catch_up is CatchUp.LATEST:
            in_window = max(in_window, grid.leader(end - 1))
        start = min(start, in_window)
    if end - start > policy.cap:
        start = grid.leader(end - policy.cap)
    return start


def _back(now: datetime, seconds: float) -> datetime:
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:
        return EARLIEST


def _skipped(grid: _Grid, begin: int, end: int, rows: int) -> tuple[Skipped, ...]:
    """The occurrences from `begin` to before `end`, the oldest summed up when there are more than `rows`."""
    singles_from, runs = begin, []
    if end - begin > rows:
        singles_from = grid.leader(end - rows + 1) if rows > 1 else end
        runs = _run(grid, begin, singles_from)
    return (*runs, *(Skipped(time, time, 1) for time in grid.times(range(singles_from, end))))


def _run(grid: _Grid, begin: int, end: int) -> list[Skipped]:
    first, last = grid.at(begin), grid.at(end - 1)
    if first is None or last is None:
        return []
    return [Skipped(first, last, end - begin if last > first else 1)]
