"""A slice: the rows of one claim, or of several of one commit, on their way through a worker process."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasks_app.operations import Context
from tasks_app.records import Claim, Ending


@dataclass
class Running:
    """The row whose handler runs now. Times are of the runner's monotonic clock, in seconds."""

    claim: Claim
    started: float
    interrupted_at: float | None = None
    interrupted_by: BaseException | None = None
    cancelled_at: float | None = None
    """When the handler was told that its task's cancellation was requested."""
    progress: dict[str, Any] | None = None
    """What the handler said last and the watchdog has not written yet."""

    @cached_property
    def context(self) -> Context:
        """What the handler may know; made when it is asked for, since few handlers ask."""
        claim = self.claim
        return Context(
            task_id=claim.task_id,
            attempt=claim.attempt,
            max_attempts=claim.max_attempts,
            operation=claim.operation,
            is_cancelled=self.is_cancelled,
            report=self.note_progress,
            queue=claim.queue,
        )

    def is_cancelled(self) -> bool:
        """Whether the task's cancellation was requested."""
        return self.cancelled_at is not None

    def note_progress(self, progress: dict[str, Any]) -> None:
        """Remember how far the handler has come."""
        self.progress = progress

    def log_fields(self) -> dict[str, Any]:
        """What a log line about it says of it."""
        claim = self.claim
        return {"task_id": claim.task_id, "attempt": claim.attempt, "operation": claim.operation}


class Slice:
    """The rows of one commit's claims: waiting, running, ended. Main thread and watchdog share it, under its lock.

    `fills_next`: more quick rows would have fitted into it, so that the next one is to be filled by several claims.
    """

    def __init__(self, claims: Iterable[Claim], claimed_at: float, *, fills_next: bool = False) -> None:
        self.fills_next = fills_next
        self.lock = threading.RLock()
        self.claimed_at = claimed_at
        self.renewed_at = claimed_at
        self.begun: list[Claim] = []
        self.running: Running | None = None
        self.claims = list(claims)
        self.endings: list[Ending] = []
        self._waiting = deque(self.claims)
        self._unwritten: list[Ending] = []

    def begin_next(self, now: float) -> Running | None:
        """Make the next row the running one; None when no row waits."""
        with self.lock:
            if not self._waiting:
                return None
            claim = self._waiting.popleft()
            self.begun.append(claim)
            self.running = running = Running(claim, now)
            return running

    def end(self, ending: Ending | None) -> None:
        """The running row is over; None: its lease was lost, so that there is nothing to write."""
        with self.lock:
            self.running = None
            if ending is not None:
                self.endings.append(ending)
                self._unwritten.append(ending)

    def next_waiting(self) -> Claim | None:
        """The row that would begin next."""
        # Without the lock: whoever takes the rows leaves this deque as it is.
        waiting = self._waiting
        return waiting[0] if waiting else None

    def take_waiting(self) -> list[Claim]:
        """Take the rows that have not begun; the caller releases them or puts them back."""
        with self.lock:
            claims, self._waiting = list(self._waiting), deque()
            return claims

    def put_back_waiting(self, claims: list[Claim]) -> None:
        with self.lock:
            self._waiting.extendleft(reversed(claims))

    def take_unwritten(self) -> list[Ending]:
        """Take the endings that are not written yet; the caller writes them or puts them back."""
        with self.lock:
            endings, self._unwritten = self._unwritten, []
            return endings

    def put_back_unwritten(self, endings: list[Ending]) -> None:
        with self.lock:
            self._unwritten[:0] = endings
