"""The thread that sends events to the broker, so that no drain waits for it.

Few messages carry many events: what comes within a moment goes together, in its order.
"""

import atexit
import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from celery import Celery, current_app
from celery.signals import worker_process_shutdown
from django.conf import settings

logger = logging.getLogger(__name__)

PAUSE = 0.3
"""Seconds between two messages."""
PAUSE_AFTER_FAILURE = 5.0
"""Seconds without events after the broker failed."""
MOST_WAITING = 10_000
"""Attempts whose events may wait for a broker that hangs: some tens of megabytes at most."""

Event = tuple[str, dict[str, Any]]


class EventSender(threading.Thread):
    """Sends the events of one process, in the name of its Celery worker."""

    def __init__(self, app: Celery, hostname: str, dropped: Callable[[int], None]) -> None:
        """`dropped` is told how many tasks' events the broker did not take."""
        super().__init__(name="events", daemon=True)
        self.app = app
        self.hostname = hostname
        self._dropped = dropped
        self._waiting: deque[Sequence[Event]] = deque()
        self._filled = threading.Event()
        self._sending = threading.Lock()
        self._sent_at = self._quiet_until = time.monotonic() - PAUSE

    def put(self, attempts: Sequence[Sequence[Event]]) -> None:
        """Send these events soon; one sequence per attempt."""
        self._waiting.extend(attempts)
        self._filled.set()

    def is_quiet(self) -> bool:
        """Whether no events are taken now: the broker failed a moment ago, or hangs while many wait."""
        return len(self._waiting) >= MOST_WAITING or time.monotonic() < self._quiet_until

    def run(self) -> None:
        # As the watchdog does: a signal that is let in here would strike a main thread that has masked it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            self._filled.wait()
            time.sleep(max(0.0, self._sent_at + PAUSE - time.monotonic()))
            self._filled.clear()
            self.send_waiting()

    def send_waiting(self) -> None:
        """Send what waits, now. Never raises."""
        with self._sending:
            # One by one: a drain may be adding to it.
            attempts = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if attempts and not self._try([event for attempt in attempts for event in attempt]):
                self._dropped(len(attempts))
            self._sent_at = time.monotonic()

    def _try(self, events: Sequence[Event]) -> bool:
        if self.is_quiet():
            return False
        try:
            self._send(events)
        except Exception as error:  # any transport's own errors
            self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
            logger.warning("Events are dropped for %.0f s: %s", PAUSE_AFTER_FAILURE, error)
            return False
        return True

    def _send(self, events: Sequence[Event]) -> None:
        patience = settings.CELERY_BROKER_POOL_ACQUIRE_TIMEOUT
        with self.app.pool.acquire(block=True, timeout=patience) as connection:
            dispatcher = self.app.events.Dispatcher(
                connection,
                hostname=self.hostname,
                buffer_while_offline=False,
                buffer_group={"task"},
                buffer_limit=len(events) + 1,
            )
            for kind, fields in events:
                dispatcher.send(kind, **fields)
            dispatcher.flush(errors=False)


@cache
def sender(hostname: str, dropped: Callable[[int], None]) -> EventSender:
    """This process's sender. Made after the fork: threads don't survive it."""
    made = EventSender(current_app._get_current_object(), hostname, dropped)
    made.start()
    atexit.register(made.send_waiting)
    # A child of Celery's pool ends without what is registered at exit.
    worker_process_shutdown.connect(lambda **kwargs: made.send_waiting(), weak=False)
    return made
