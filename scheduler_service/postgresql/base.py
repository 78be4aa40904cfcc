"""The backend that Django loads for `ENGINE = "scheduler_service.postgresql"`."""

import select
import time

from django.db.backends.postgresql import base

TRUST_SECONDS = 5.0
"""A connection that was checked so lately is not asked again, unless its socket says something or it has failed."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks the server whether it is there only where its silence is no answer.

    Django asks before each request and each Celery task, which is a round trip of its own. A server that ends a
    connection, or dies, makes its socket readable, and looking at the socket costs two microseconds.
    """

    _checked_at = float("-inf")

    def is_usable(self) -> bool:
        now = time.monotonic()
        if now - self._checked_at < TRUST_SECONDS and not self.errors_occurred and self._is_silent():
            return True
        is_usable: bool = super().is_usable()
        self._checked_at = now if is_usable else float("-inf")
        return is_usable

    def _is_silent(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)
