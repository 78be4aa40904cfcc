"""Celery beat without a schedule file and without a flood."""

import logging

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

    def apply_entry(self, entry: ScheduleEntry, producer: object = None) -> None:
        """Send one entry. Not through beat's own producer, which does not reconnect unless it retries."""
        doorbell.send(entry.task, [], QUEUE, MOST_WAITING)

    @property
    def producer(self) -> None:
        """Beat itself holds no connection."""
