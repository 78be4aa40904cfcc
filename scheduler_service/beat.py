"""Celery beat without a schedule file and without a flood."""

import logging
import time
from collections.abc import Callable
from typing import Any

from celery.beat import ScheduleEntry, Scheduler

from tasks_app import doorbell

logger = logging.getLogger(__name__)

QUEUE = "scheduler"
MOST_WAITING = 10
"""Two rounds of all beat entries. More would only be worked off, one by one, after the worker's return."""


class BoundedScheduler(Scheduler):
    """Sends the periodic Celery tasks, but none while enough of them wait.

    Its state is in memory: each entry is due at once at start and idempotent, so there is no schedule file
    to lock or to repair. Any number of beats may run.
    """

    def __init__(self, *args: Any, clock: Callable[[], float] = time.monotonic, **options: Any) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        super().__init__(*args, **options)

    def tick(self, *args: object, **options: object) -> float:
        """Send what is due, all of it in one go; how many seconds until the next is.

        Celery's own asks the calendar several times for each entry, most of what an idle beat costs, and stands
        still when the wall clock is set back.
        """
        for entry in sorted(
            self.schedule.values(), key=lambda entry: entry.task
        ):  # the keeper of time comes first
            now = self._clock()
            if now >= self._due.get(entry.name, now):
                self._due[entry.name] = now + entry.schedule.run_every.total_seconds()
                self.apply_entry(entry)
        return max(0.0, min(self._due.values(), default=self._clock() + self.max_interval) - self._clock())

    def apply_entry(self, entry: ScheduleEntry, producer: object = None) -> None:
        """Send one entry. Not through beat's own producer, which does not reconnect unless it retries."""
        doorbell.send(entry.task, [], QUEUE, MOST_WAITING)

    @property
    def producer(self) -> None:
        """Beat itself holds no connection."""
