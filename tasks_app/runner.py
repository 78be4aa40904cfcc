"""Claimed rows -> handlers -> endings. No Celery, no SQL: the store comes in as a port.

One thread, the process's main one, runs the handlers; `watchdog` looks after a row that takes long. Interrupts
travel as a signal, because only a signal wakes the main thread from a blocking call; they are let in while a
handler runs and never while a result is written.
"""

import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Protocol
from uuid import UUID

from scheduler_service.json import InvalidJSON, check_json, encoded_size
from tasks_app import failures, operations
from tasks_app.lifecycle import Backoff, Outcome, after_attempt
from tasks_app.operations import DoNotRetry, RetryAt, TimeLimitExceeded
from tasks_app.records import JSON, Claim, Ending
from tasks_app.slices import Running, Slice

logger = logging.getLogger(__name__)

INTERRUPT = signal.SIGUSR2

_SUCCEEDED = after_attempt(Outcome.SUCCESS, attempt=1, max_attempts=1, backoff=Backoff(), draw=0.0).status
"""What follows a success, whatever the attempt: one question for all."""


class Store(Protocol):
    """What running needs of the task store. Calls may raise; they are then tried again later."""

    def finish(self, endings: Sequence[Ending]) -> set[UUID]: ...
    def release(self, claims: Sequence[Claim]) -> set[UUID]: ...
    def heartbeat(self, claims: Sequence[Claim]) -> set[UUID]: ...
    def cancel_requested(self, claims: Sequence[Claim]) -> set[UUID]: ...
    def progress(self, claim: Claim, value: dict[str, JSON]) -> bool: ...


class LeaseLost(BaseException):
    """Raised into a handler whose lease could not be renewed: another worker may run the task by now.

    Not an Exception, so that a handler's own `except Exception` does not keep it running.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    lease_seconds: float
    slice_seconds: float
    grace_seconds: float
    """How long a handler may take to heed an interrupt."""
    shutdown_seconds: float
    """How long a handler may go on after its worker was told to stop."""
    max_result_bytes: int


class Runner:
    """Runs slices in this thread, which must be the process's main one."""

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.limits = limits
        self.is_stopping = is_stopping
        self.clock = clock
        self.draw = draw
        self._pending: tuple[Running, BaseException] | None = None
        self._handling: Running | None = None
        # For good: a signal that comes late must find a handler, or it ends the process.
        signal.signal(INTERRUPT, self._on_interrupt)

    @property
    def handling(self) -> Running | None:
        """The row whose handler runs at this moment; None between two handlers."""
        return self._handling

    def run(self, slice_: Slice) -> None:
        """Run rows until none waits or the slice's time is spent; what is over then lies in the slice."""
        begun_at = now = self.clock()
        while self._may_begin(slice_, begun_at, now) and (running := slice_.begin_next(now)) is not None:
            slice_.end(self._attempt(running))
            now = self.clock()

    def interrupt(self, running: Running, error: BaseException) -> None:
        """Raise `error` in the handler of this row; no effect when it is not running any more."""
        self._pending = (running, error)
        self.remind()

    def remind(self) -> None:
        """Send the signal of an interrupt again if the main thread has not taken it in.

        One that comes at the moment in which the main thread begins to wait for a lock does not wake it.
        """
        if self._pending is not None:
            signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPT)

    def ended_by(self, running: Running, error: BaseException) -> Ending:
        """The ending of a row whose handler did not heed this interrupt."""
        return self._failed(running, error)

    def _may_begin(self, slice_: Slice, begun_at: float, now: float) -> bool:
        claim = slice_.next_waiting()
        if claim is None or self.is_stopping():
            return False
        elapsed = now - slice_.claimed_at
        if claim.expires_in is not None and elapsed >= claim.expires_in:
            return False
        # A process that was stopped for a while (SIGSTOP, a suspended machine) may have lost the lease.
        if elapsed > self.limits.lease_seconds / 2:
            return False
        # From here, not from the claim: its statement may have waited long for SQLite's one writer, and rows that
        # are released for that would start after less urgent ones of another process.
        return not slice_.begun or now - begun_at < self.limits.slice_seconds

    def _on_interrupt(self, signum: int, frame: FrameType | None) -> None:
        pending, self._pending = self._pending, None
        if pending is not None and pending[0] is self._handling:
            raise pending[1]

    def _attempt(self, running: Running) -> Ending | None:
        try:
            result = self._handle(running)
        except LeaseLost:
            task_id = running.claim.task_id
            logger.warning(
                "Lost the lease of task %s; its attempt is dropped", task_id, extra=running.log_fields()
            )
            return None
        except BaseException as error:  # whatever a handler raises ends its attempt, never the worker
            if isinstance(error, SystemExit) and self.is_stopping():
                error = worker_stopped()  # raised by Celery's cold shutdown, not by the handler
            return self._failed(running, error)
        return self._succeeded(running, result)

    def _handle(self, running: Running) -> JSON:
        claim = running.claim
        operation = operations.resolve(claim.operation)
        context = running.context if operation.takes_context else None
        self._handling = running
        try:
            return operation.run(claim.operation, claim.arguments_json, context)
        finally:
            self._handling = None

    def _succeeded(self, running: Running, result: JSON) -> Ending:
        try:
            check_json(result)
            size, most = encoded_size(result), self.limits.max_result_bytes
        except InvalidJSON as error:
            return self._failed(running, failures.BadResult(f"The result {error.message}."))
        if size > most:
            message = f"The result has {size} bytes of JSON; at most {most} are stored."
            return self._failed(running, failures.BadResult(message))
        runtime = self.clock() - running.started
        return Ending(running.claim, Outcome.SUCCESS, _SUCCEEDED, 0.0, result, None, runtime)

    def _failed(self, running: Running, error: BaseException) -> Ending:
        outcome = failures.outcome(error, cancel_requested=running.is_cancelled())
        claim = running.claim
        verdict = after_attempt(
            outcome,
            attempt=claim.attempt,
            max_attempts=claim.max_attempts,
            backoff=claim.backoff,
            draw=self.draw(),
            retryable=not isinstance(error, DoNotRetry),
        )
        return Ending(
            claim=claim,
            outcome=outcome,
            status=verdict.status,
            wait_seconds=_wait(verdict.wait_seconds, error),
            error=failures.describe(error),
            runtime_seconds=self.clock() - running.started,
        )


def worker_stopped() -> failures.WorkerStopped:
    """The error that a handler gets when its worker stops."""
    return failures.WorkerStopped("The worker was stopped before the attempt ended.")


def time_limit_exceeded(claim: Claim) -> TimeLimitExceeded:
    """The error that a handler gets when its time is over."""
    return TimeLimitExceeded(f"The attempt ran longer than its timeout_seconds ({claim.timeout_seconds:g}).")


def _wait(decided: float, error: BaseException | None) -> float:
    if not isinstance(error, RetryAt):
        return decided
    return max(0.0, (error.moment - datetime.now(UTC)).total_seconds())
