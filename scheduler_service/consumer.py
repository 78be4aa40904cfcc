"""Celery's consumer, but prompt to come back after the broker was away."""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

PAUSE = 1.0
"""Seconds between two tries to connect. Celery's own pauses grow to 30 s: work would wait that long for a broker
that is back."""


class PromptConsumer(Consumer):
    """Tries to connect every second, for ever."""

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=PAUSE, interval_step=0, interval_max=PAUSE
        )
        return super().ensure_connected(conn)
