"""Per-task events for Flower: it then lists the store's tasks by operation, not the drains.

Sent in one message per slice, after the results are written. Events are for watching: they are dropped, never
waited for, when the broker is away.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from celery import current_app
from celery.utils.text import truncate
from django.conf import settings

from scheduler_service.json import dumps
from tasks_app.lifecycle import Status
from tasks_app.records import Ending

logger = logging.getLogger(__name__)

MAX_SHOWN = 1_000
"""Characters of arguments and results in an event."""
PAUSE_AFTER_FAILURE = 5.0
"""Seconds without events after the broker failed."""

Event = tuple[str, dict[str, Any]]

_quiet_until = 0.0


class TaskEvents:
    """Sends the events of the rows that a drain ran, in the name of its Celery worker."""

    def __init__(self, hostname: str) -> None:
        self.hostname = hostname

    def ran(self, endings: Sequence[Ending]) -> None:
        """Tell what became of these rows. Never raises."""
        global _quiet_until
        config = settings.CONFIG
        if not (config.task_events and config.has_broker and endings) or time.monotonic() < _quiet_until:
            return
        try:
            self._send([event for ending in endings for event in events_of(ending, time.time())])
        except Exception as error:  # any transport's own errors
            _quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
            logger.warning("Events of %d tasks were dropped: %s", len(endings), error)

    def _send(self, events: Sequence[Event]) -> None:
        most = len(events) + 1
        pause = settings.CELERY_BROKER_POOL_ACQUIRE_TIMEOUT
        with current_app.pool.acquire(block=True, timeout=pause) as connection:
            dispatcher = current_app.events.Dispatcher(
                connection,
                hostname=self.hostname,
                buffer_while_offline=False,
                buffer_group={"task"},
                buffer_limit=most,
            )
            for kind, fields in events:
                dispatcher.send(kind, **fields)
            dispatcher.flush(errors=False)


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
            "kwargs": truncate(dumps(claim.arguments), MAX_SHOWN),
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
