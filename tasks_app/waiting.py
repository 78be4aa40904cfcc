"""How many tasks of a project may wait at once, as the key says that sends more.

The count is approximate, so that it costs little beside a million waiting rows: it is taken anew at most once a second,
and so seldom that it takes a twentieth of the time; in between each process adds what it creates itself. Several
processes may thus pass the limit by what they create between two counts.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rest_framework.exceptions import APIException
from rest_framework.request import Request

from access_app.principals import principal_of
from tasks_app import queries

LEAST_SECONDS = 1.0
SHARE = 20
"""A count is taken anew after this many times what it took."""
WAIT_SECONDS = 5


class TooManyWaiting(APIException):
    """429: as many tasks of the project wait as the key may have waiting; `wait` (seconds) becomes Retry-After."""

    status_code = 429
    default_code = "too_many_waiting"
    wait = WAIT_SECONDS

    def __init__(self, most: int, asked: int, owed: int = 0) -> None:
        noun = "task" if asked == 1 else "tasks"
        more = f"{asked} {noun} more"
        if owed:
            more += f", beside {owed} that running backfills have still to create"
        super().__init__(
            f"With {more}, over {most} tasks of this project would wait to be run, which is this key's "
            "limit; send the same request again later, or fewer tasks at once."
        )


@dataclass
class _Count:
    value: int = 0
    fresh_until: float = 0.0


class Counts:
    """What this process knows of how many tasks of each project wait."""

    def __init__(self, count: Callable[[int, int], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._count, self._clock = count, clock
        self._counts: dict[tuple[int, int], _Count] = {}
        self._lock = threading.Lock()

    def admits(self, project_id: int, asked: int, most: int, *, is_now: bool = True) -> bool:
        """Whether `asked` more may wait; if so, and if they are created now, they count from now on."""
        key = (project_id, most)
        with self._lock:
            known = self._counts.setdefault(key, _Count())
            is_fresh = self._clock() < known.fresh_until
        if not is_fresh:
            self._renew(known, project_id, most)
        with self._lock:
            if known.value + asked > most:
                return False
            known.value += asked if is_now else 0
            return True

    def _renew(self, known: _Count, project_id: int, most: int) -> None:
        began = self._clock()
        # Whoever else asks meanwhile goes by the old number, and does not count too.
        known.fresh_until = began + LEAST_SECONDS
        value = self._count(project_id, most)
        ended = self._clock()
        with self._lock:
            known.value = value
            known.fresh_until = ended + max(LEAST_SECONDS, SHARE * (ended - began))


_counts = Counts(queries.count_waiting)


def check(request: Request, asked: int) -> None:
    """Count tasks that are about to be created for a key. Raises TooManyWaiting."""
    most = principal_of(request).waiting_tasks
    if most and asked and not _counts.admits(principal_of(request).project_id, asked, most):
        raise TooManyWaiting(most, asked)


def check_later(request: Request, asked: int, owed_to: Callable[[int], int]) -> None:
    """Whether a key may have tasks created later, beside those that its project (`owed_to` its id) has coming already.

    They are counted by what is owed, until they are there. Raises TooManyWaiting.
    """
    principal = principal_of(request)
    if not (principal.waiting_tasks and asked):
        return
    owed = owed_to(principal.project_id)
    if not _counts.admits(principal.project_id, asked + owed, principal.waiting_tasks, is_now=False):
        raise TooManyWaiting(principal.waiting_tasks, asked, owed)
