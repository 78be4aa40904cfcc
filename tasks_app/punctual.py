"""Doing things at their moments instead of at the next sweep: what is due within the second, to some milliseconds.

The looks go on while nothing is due, since a task may be created that is due in half a second. What is overdue by more
than a second is left to ticks and sweeps, which come by anyway: a keeper never spins over what somebody else holds.
"""

import mmap
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks_app import store
from tasks_app.shutdown import is_stopping

KEEPER_SECONDS = 0.9
"""How long one keeper looks. The next one is sent a second after it."""
OVERHANG_SECONDS = 0.25
"""A keeper stays for a moment that comes within this time after it: its successor may be a little late."""
LOOK_SECONDS = 0.1
"""Longest time between two looks. Also how soon a keeper heeds a shutdown."""
PAUSE_SECONDS = 0.01
"""Between two acts, so that many moments of one second are dealt with together."""
MANY = 10
"""Where one act did so much, the next pause is LOOK_SECONDS. A claim takes rows of one priority: what is promoted every
hundredth of a second is claimed by handfuls, with two commits each, and workers that wait for the disk fall behind."""
OVERDUE_SECONDS = 1.0

_UNTIL = struct.Struct("d")
_memory = mmap.mmap(-1, _UNTIL.size)


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done at moments that the database knows."""

    next_at: Callable[[datetime, datetime], datetime | None]
    """The earliest moment in a range, both ends included."""
    act: Callable[[], int]
    """Does what is due by now; how much that was."""


def keep(
    duties: Sequence[Duty],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Do each duty at its moments, for about a second. Ends at once where this worker has a keeper already."""
    begin = clock()
    if not _take_turn(begin):
        return
    # One look at the database's clock: the moments are its, and this process may run on another machine.
    start = store.database_now() - timedelta(seconds=clock() - begin)
    while not is_stopping() and (now := clock() - begin) < KEEPER_SECONDS + OVERHANG_SECONDS:
        due = _look(duties, start, now)
        soonest = min((seconds for seconds, _ in due), default=None)
        if soonest is None and now >= KEEPER_SECONDS:
            return
        if soonest is not None and soonest <= now:
            most = max(duty.act() for seconds, duty in due if seconds <= now)
            sleep(PAUSE_SECONDS if most < MANY else LOOK_SECONDS)
        else:
            sleep(LOOK_SECONDS if soonest is None else min(LOOK_SECONDS, soonest - now))


def _look(duties: Sequence[Duty], start: datetime, now: float) -> list[tuple[float, Duty]]:
    """Which duties have a moment ahead of this keeper, in seconds after its start, or one that has just come."""
    since = start + timedelta(seconds=now - OVERDUE_SECONDS)
    until = start + timedelta(seconds=KEEPER_SECONDS + OVERHANG_SECONDS)
    moments = [(duty.next_at(since, until), duty) for duty in duties]
    return [((moment - start).total_seconds(), duty) for moment, duty in moments if moment is not None]


def _take_turn(now: float) -> bool:
    """Whether this process may keep the time: one of a worker's is enough, or two beats would take all of them.

    The processes of a worker share this memory. It holds a moment and no lock: a keeper that is killed blocks nobody.
    """
    until: float = _UNTIL.unpack_from(_memory, 0)[0]
    if now < until <= now + KEEPER_SECONDS:
        return False
    _UNTIL.pack_into(_memory, 0, now + KEEPER_SECONDS)
    return True
