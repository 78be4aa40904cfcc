"""Wall-clock times of a zone as instants, with the gaps and folds of its changes.

A gap is a stretch of wall-clock time that a zone leaves out, a fold one that it has twice. `zoneinfo` reads a time
in either with the offset before the change if `fold=0`, with the offset after it if `fold=1` (PEP 495).
"""

import heapq
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schedules_app.recurrence.base import Fold, Gap, Nominal, Note, Skip

_WIDEST = timedelta(hours=26)
"""No zone has ever moved its clocks further at once (a whole day at the date line)."""


def wall_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """The wall-clock time at an instant, naive."""
    return moment.astimezone(zone).replace(tzinfo=None)


def wall_before(moment: datetime, zone: ZoneInfo) -> datetime:
    """A wall-clock time so early that no instant at or after `moment` stems from an earlier one.

    After a gap, times in it are read with the offset before it; ahead of a fold's second pass, times that lie back
    on the clock come once more. Both show as a smaller offset nearby.
    """
    naive, least = moment.replace(tzinfo=None), moment.astimezone(zone).utcoffset() or timedelta(0)
    for distance in (-_WIDEST, _WIDEST):
        with suppress(OverflowError):
            least = min(least, (moment + distance).astimezone(zone).utcoffset() or timedelta(0))
    try:
        return naive + least
    except OverflowError:
        return wall_of(moment, zone)


def resolve(
    wall: datetime,
    zone: ZoneInfo,
    gap: Gap | None = Gap.SHIFT,
    fold: Fold = Fold.FIRST,
    *,
    to_edge: bool = False,
) -> tuple[Nominal, ...]:
    """The instants that a wall-clock time stands for, in order. Raises OverflowError beyond the calendar.

    With `gap` None a time in a gap stands for nothing.

    In a gap: moved as RFC 5545, 3.3.5 says (read with the offset before it, so that 02:30 becomes 03:30), or, with
    `to_edge`, to the gap's end as Debian's cron does (02:30 becomes 03:00).
    """
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    late = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if early == late:
        return (Nominal(early),)
    if early > late:
        if gap is None:
            return ()
        at = _edge(late, early, zone) if to_edge else early
        return (Nominal(at, (Note.GAP,), Skip.DST_GAP if gap is Gap.SKIP else None),)
    chosen = {Fold.FIRST: (early,), Fold.SECOND: (late,), Fold.BOTH: (early, late)}[fold]
    return tuple(Nominal(at, (Note.FOLD,)) for at in chosen)


def in_order(
    walls: Iterable[datetime],
    zone: ZoneInfo,
    gap: Gap | None = Gap.SHIFT,
    fold: Fold = Fold.FIRST,
    *,
    to_edge: bool = False,
) -> Iterator[Nominal]:
    """The instants of ascending wall-clock times, ascending, up to the calendar's end; equal ones are one."""
    return merged(_sorted(walls, zone, gap, fold, to_edge))


def _sorted(
    walls: Iterable[datetime], zone: ZoneInfo, gap: Gap | None, fold: Fold, to_edge: bool
) -> Iterator[Nominal]:
    waiting: list[tuple[datetime, int, Nominal]] = []  # of a fold or gap, until no earlier instant can follow
    number = 0
    for wall in walls:
        try:
            found = resolve(wall, zone, gap, fold, to_edge=to_edge)
        except OverflowError:
            break
        if not waiting and len(found) == 1 and not found[0].notes:
            yield found[0]
            continue
        for nominal in found:
            number += 1
            heapq.heappush(waiting, (nominal.at, number, nominal))
        # What follows is later on the wall's clock, so not before the earlier reading of this one.
        floor = min(wall.replace(tzinfo=zone, fold=side).astimezone(UTC) for side in (0, 1))
        while waiting and waiting[0][0] <= floor:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def merged(ascending: Iterable[Nominal]) -> Iterator[Nominal]:
    """Nominal times that fall together as one, with the notes of all; it is skipped only if all are."""
    last: Nominal | None = None
    for nominal in ascending:
        if last is not None and last.at == nominal.at:
            notes = tuple(dict.fromkeys(last.notes + nominal.notes))
            last = Nominal(last.at, notes, last.skip if nominal.skip else None)
            continue
        if last is not None:
            yield last
        last = nominal
    if last is not None:
        yield last


def _edge(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant of the change between two instants, by halving; exact to the second as tz data are."""
    old = before.astimezone(zone).utcoffset()
    low, high = before, after
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
