"""What becomes of occurrences while an earlier task of their schedule has not finished. Pure: values in, values out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schedules_app.records import Overlap


@dataclass(frozen=True, slots=True)
class Decision:
    """What fires now, what waits on (oldest first), and what never fires."""

    fires: tuple[datetime, ...] = ()
    waiting: tuple[datetime, ...] = ()
    skipped: tuple[datetime, ...] = ()
    cancels: bool = False
    """The unfinished tasks of the schedule are to be cancelled."""


def decide(
    policy: Overlap, fires: Sequence[datetime], *, is_running: bool, waiting: Sequence[datetime], bound: int
) -> Decision:
    """Apply the overlap policy to occurrences that are to fire now, oldest first.

    `is_running`: the schedule has an unfinished task. `waiting` are occurrences that wait from before; they go first,
    and under a policy that buffers nothing they still get their turn. `bound` is how many may wait under buffer_all.
    """
    queue = (*waiting, *fires)
    if policy is Overlap.ALLOW:
        return Decision(fires=queue)
    if policy is Overlap.CANCEL_PREVIOUS and fires:
        return Decision(fires=queue[-1:], skipped=queue[:-1], cancels=is_running)
    turn = 0 if is_running else 1
    # Who waits already is not sent away, also when the policy or the bound has been changed since.
    room = max(_room(policy, bound), len(waiting) - turn)
    rest = queue[turn:]
    return Decision(fires=queue[:turn], waiting=rest[:room], skipped=rest[room:])


def _room(policy: Overlap, bound: int) -> int:
    """How many may wait. Temporal's BufferOne, too, keeps the one that waits and drops what comes later."""
    return {Overlap.BUFFER_ONE: 1, Overlap.BUFFER_ALL: bound}.get(policy, 0)
