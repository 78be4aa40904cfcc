"""From one occurrence to the next where nothing is special: what a tick does with most schedules, most of the time.

It answers only what it is sure of. `planning` decides on every case, these too; the tests hold the two together.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from schedules_app.recurrence import cron as crons
from schedules_app.recurrence.base import LATEST, MOST_SECONDS, Fold, Gap, known_zones
from schedules_app.recurrence.rrule_free import free_walk

_AROUND = 3
"""Days before and after a day on which no clock may change: more than any zone has ever been off by."""
_HALF_A_DAY = timedelta(hours=12)

Walls = Callable[[datetime], Iterator[datetime]]


def following(
    at: datetime,
    starts_at: datetime,
    timezone: str,
    days: int | None,
    hours: int | None,
    minutes: int | None,
    seconds: int | None,
    cron: str | None,
    rrule: str | None,
    gap: str,
    fold: str,
) -> datetime | None:
    """The occurrence after `at`, if `at` is one too and both fire; times are in UTC.

    None says nothing: there may be one all the same. `ends_at`, exclusions, calendars and overrides are not looked at.
    What the columns say need not be valid; a text that cannot be read raises InvalidRecurrence.
    """
    elapsed = (hours or 0) * 3600 + (minutes or 0) * 60 + (seconds or 0)
    kinds = (1 if days or elapsed else 0) + (cron is not None) + (rrule is not None)
    if kinds != 1 or at < starts_at or timezone not in known_zones():
        return None
    try:
        if elapsed:
            found = None if days or elapsed > MOST_SECONDS else _evenly(at, starts_at, elapsed)
        elif days:
            is_closed = gap == Gap.SHIFT and fold == Fold.FIRST and days * 86_400 <= MOST_SECONDS
            found = _by_days(at, starts_at, timezone, days) if is_closed else None
        else:
            found = _by_walls(at, timezone, _walls(starts_at, timezone, cron, rrule))
    except (OverflowError, ValueError):  # beyond the calendar
        return None
    return found if found is not None and found <= LATEST else None


def _walls(starts_at: datetime, timezone: str, cron: str | None, rrule: str | None) -> Walls | None:
    if cron is not None:
        return crons.parse(cron).walls
    walk = free_walk(rrule or "", starts_at.astimezone(ZoneInfo(timezone)))
    return None if walk is None else walk.since


def _evenly(at: datetime, starts_at: datetime, elapsed: int) -> datetime | None:
    step = timedelta(seconds=elapsed)
    return None if (at - starts_at) % step else at + step


def _by_days(at: datetime, starts_at: datetime, timezone: str, days: int) -> datetime | None:
    offset = _steady_offset(timezone, at.toordinal())
    if offset is None:
        return None
    wall = at.replace(tzinfo=None) + offset
    step = timedelta(days=days)
    anchor = starts_at.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return None if (wall - anchor) % step else _instant(wall + step, timezone, offset)


@lru_cache(maxsize=8192)
def _by_walls(at: datetime, timezone: str, walls: Walls | None) -> datetime | None:
    # Remembered, because many share an expression and their moments, as "0 0 * * *" at midnight.
    offset = _steady_offset(timezone, at.toordinal())
    if walls is None or offset is None:
        return None
    wall = at.replace(tzinfo=None) + offset
    coming = walls(wall)
    if next(coming, None) != wall or (later := next(coming, None)) is None:
        return None
    return _instant(later, timezone, offset)


def _instant(wall: datetime, timezone: str, offset: timedelta) -> datetime | None:
    """When a wall-clock time comes, in UTC; None where clocks change around it. `offset` is that of any time."""
    steady = _steady_offset(timezone, (wall - offset).toordinal())
    if steady is None:
        return None
    return (wall - steady).replace(tzinfo=UTC)


@lru_cache(maxsize=16_384)
def _steady_offset(timezone: str, day: int) -> timedelta | None:
    """The zone's offset on a day (a proleptic ordinal, in UTC); None if it changes then or on the days around it."""
    first, zone = datetime.fromordinal(day - _AROUND).replace(tzinfo=UTC), ZoneInfo(timezone)
    moments = (first + number * _HALF_A_DAY for number in range(4 * _AROUND + 3))
    offsets = {moment.astimezone(zone).utcoffset() for moment in moments}
    return offsets.pop() if len(offsets) == 1 else None
