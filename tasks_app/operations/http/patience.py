"""Waiting with one end for all of it, and never deaf: for a moment at a time, asking after the cancellation between."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

MOMENT_SECONDS = 0.2


class DeadlinePassed(Exception):
    """The time for the whole exchange is over."""


class Patience:
    """Counts from its making, in seconds. `check_cancelled` raises when the task is not wanted any more."""

    def __init__(self, seconds: float, check_cancelled: Callable[[], None]) -> None:
        self.seconds = seconds
        self._ends_at = time.monotonic() + seconds
        self._check_cancelled = check_cancelled

    def left(self) -> float:
        """Seconds. Raises DeadlinePassed when there are none."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise DeadlinePassed
        return left

    def moment(self) -> float:
        """How long to wait before asking again. Raises DeadlinePassed, and what the cancellation raises."""
        self._check_cancelled()
        return min(self.left(), MOMENT_SECONDS)

    def through(self, connection: socket.socket, call: Callable[[], Result]) -> Result:
        """The result of a call that waits for this connection, however many moments it takes."""
        while True:
            connection.settimeout(self.moment())
            try:
                return call()
            except TimeoutError:
                continue
