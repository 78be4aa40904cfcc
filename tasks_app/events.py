"""Per-task events for Flower: it then lists the store's tasks by operation, not the drains.

Events are for watching. No more tasks per second are shown than the configuration allows, nothing waits for the
broker, and what it does not take is dropped. Tasks that are left out are counted, and the log says how many.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from celery.utils.text import truncate
from django.conf import settings

from scheduler_service.json import dumps
from tasks_app import metering
from tasks_app.event_sender import Event, sender
from tasks_app.lifecycle import Status
from tasks_app.records import Ending

logger = logging.getLogger(__name__)

MAX_SHOWN = 1_000
"""Characters of arguments and results in an event."""
SECONDS_BETWEEN_LINES = 60.0
"""The log says at most this often how many tasks were left out."""

_SUCCESS = Status.SUCCESS


class LeftOut:
    """Counts the tasks of this process that Flower was not told of."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.tasks = 0
        self._told = 0
        self._next_line = 0.0
        self._clock = clock
        self._lock = threading.Lock()

    def add(self, tasks: int) -> None:
        """Count them, and say so in the log if it has not been said lately."""
        with self._lock:
            self.tasks += tasks
            metering.left_out(tasks)
            if self._clock() >= self._next_line:
                self.tell()

    def tell(self) -> None:
        """Say in the log what it has not said yet."""
        if unsaid := self.tasks - self._told:
            self._told, self._next_line = self.tasks, self._clock() + SECONDS_BETWEEN_LINES
            logger.warning(
                "Flower was not told of %d tasks that ended in this process, %d since it began "
                "(TASK_EVENTS_PER_SECOND=%d)",
                unsaid,
                self.tasks,
                settings.CONFIG.task_events_per_second,
            )


class Allowance:
    """How many tasks may be shown: so many per second, and no more than one second's worth at once."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        # Of what did not succeed each is of interest; successes are samples of each other.
        self._kept = per_second // 5
        self._left = float(per_second)
        self._clock = clock
        self._filled_at = clock()

    def choose(self, endings: Sequence[Ending]) -> Sequence[Ending]:
        """Those that are shown, in their order; what did not succeed goes before what did."""
        if not self.per_second:
            return endings
        self._fill()
        others = min(int(self._left), sum(ending.status is not _SUCCESS for ending in endings))
        successes = max(0, int(self._left) - self._kept - others)
        chosen = _first(endings, successes, others)
        self._left -= len(chosen)
        return chosen

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(float(self.per_second), self._left + (now - self._filled_at) * self.per_second)
        self._filled_at = now


def _first(endings: Sequence[Ending], successes: int, others: int) -> list[Ending]:
    chosen = []
    for ending in endings:
        if ending.status is _SUCCESS:
            successes -= 1
            is_chosen = successes >= 0
        else:
            others -= 1
            is_chosen = others >= 0
        if is_chosen:
            chosen.append(ending)
    return chosen


left_out = LeftOut()


@cache
def allowance() -> Allowance:
    """This process's."""
    return Allowance(settings.CONFIG.task_events_per_second)


class TaskEvents:
    """Sends the events of the rows that a drain ran, in the name of its Celery worker."""

    def __init__(self, hostname: str) -> None:
        self.hostname = hostname

    def ran(self, endings: Sequence[Ending]) -> None:
        """Tell what became of these rows. Never raises, and never waits."""
        config = settings.CONFIG
        if not (config.task_events and config.has_broker and endings):
            return
        try:
            self._show(endings)
        except Exception:  # a drain must not end for something that is only watched
            logger.exception("Events of %d tasks were dropped", len(endings))

    def _show(self, endings: Sequence[Ending]) -> None:
        to_flower = sender(self.hostname, left_out.add)
        shown = [] if to_flower.is_quiet() else allowance().choose(endings)
        if len(shown) < len(endings):
            left_out.add(len(endings) - len(shown))
        if shown:
            now = time.time()
            to_flower.put([tuple(events_of(ending, now)) for ending in shown])


def events_of(ending: Ending, now: float) -> Iterator[Event]:
    """An attempt as Celery's task events; `now` is the wall-clock time of its end, in seconds."""
    claim = ending.claim
    uuid = str(claim.task_id)
    started = now - (ending.runtime_seconds or 0.0)
    yield (
        "task-received",
        {
            "uuid": uuid,
            "name": claim.operation,
            "args": "()",
            "kwargs": truncate(claim.arguments_json, MAX_SHOWN),
            "root_id": uuid,
            "parent_id": None,
            "retries": claim.attempt - 1,
            "eta": None,
            "expires": None,
            "timestamp": started,
        },
    )
    yield "task-started", {"uuid": uuid, "timestamp": started}
    yield _end_event(ending, uuid, now)


def _end_event(ending: Ending, uuid: str, now: float) -> Event:
    if ending.status == Status.SUCCESS:
        shown = truncate(dumps(ending.result), MAX_SHOWN)
        return "task-succeeded", {
            "uuid": uuid,
            "result": shown,
            "runtime": ending.runtime_seconds,
            "timestamp": now,
        }
    if ending.status == Status.CANCELLED:
        return "task-revoked", {
            "uuid": uuid,
            "terminated": True,
            "signum": None,
            "expired": False,
            "timestamp": now,
        }
    error = ending.error or {}
    kind = "task-retried" if ending.status == Status.RETRY else "task-failed"
    return kind, {
        "uuid": uuid,
        "exception": error.get("message", ""),
        "traceback": error.get("traceback"),
        "timestamp": now,
    }
