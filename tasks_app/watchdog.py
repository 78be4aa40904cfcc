"""The thread that looks after a row that takes long, with a database connection of its own.

It gives back the rows behind it and writes the results before it, so that a slow task holds nobody up; renews its
lease; passes on a requested cancellation; and interrupts it at its time limit or when the lease is gone.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

from tasks_app.defaults import find_operation
from tasks_app.operations import Cancelled
from tasks_app.runner import LeaseLost, Runner, Store, time_limit_exceeded, worker_stopped
from tasks_app.slices import Running, Slice

logger = logging.getLogger(__name__)

EVERY_SECOND = 1.0
"""Seconds between two looks for a cancellation, and between two writes of progress."""


def may_force_cancel(operation: str) -> bool:
    """Whether a run of this operation may be ended with its process."""
    found = find_operation(operation)
    return found is not None and found.force_cancel


def end_process() -> None:
    """End this process at once: its handler heeds nothing. The pool replaces it."""
    os._exit(70)


class Watchdog(threading.Thread):
    """One per worker process. `watch` and `rest` are called by the main thread around a drain."""

    def __init__(
        self,
        runner: Runner,
        store: Store,
        *,
        close_connection: Callable[[], None],
        end_process: Callable[[], None] = end_process,
        stopping_for: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.runner = runner
        self.store = store
        self._close_connection = close_connection
        self._end_process = end_process
        self._stopping_for = stopping_for
        self._slice: Slice | None = None
        self._awake = threading.Event()
        self._exchanged = 0.0

    def watch(self, slice_: Slice) -> None:
        """Look after this slice from now on."""
        self._slice = slice_
        self._awake.set()

    def rest(self) -> None:
        """There is nothing to look after."""
        self._slice = None
        self._awake.clear()

    def run(self) -> None:
        # Python runs signal handlers in the main thread, but at once, also when another thread got the signal:
        # one that is let in here would strike a main thread that has masked it for a commit.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            self._awake.wait()
            try:
                self._round()
            except Exception:  # the thread must outlive whatever happens in it
                logger.exception("The watchdog stumbled")
            time.sleep(self.runner.limits.slice_seconds)

    def _round(self) -> None:
        slice_ = self._slice
        if slice_ is None:
            self._close_connection()
            return
        try:
            self.look(slice_)
        except Exception as error:  # the database is away, say: the next look tries again
            logger.warning("The watchdog could not look after its slice, and tries again: %s", error)
            self._close_connection()

    def look(self, slice_: Slice) -> None:
        """One round. Does nothing while rows are quick; raises the store's errors."""
        running = slice_.running
        now = self.runner.clock()
        if running is None or now - running.started < self.runner.limits.slice_seconds:
            return
        self._interrupt_if_due(slice_, running, now)
        self._relieve(slice_)
        self._renew(slice_, running, now)
        self._exchange(running, now)

    def _relieve(self, slice_: Slice) -> None:
        if waiting := slice_.take_waiting():
            try:
                self.store.release(waiting)
            except Exception:
                slice_.put_back_waiting(waiting)
                raise
        if ended := slice_.take_unwritten():
            try:
                self.store.finish(ended)
            except Exception:
                slice_.put_back_unwritten(ended)
                raise

    def _renew(self, slice_: Slice, running: Running, now: float) -> None:
        if now - slice_.renewed_at < self.runner.limits.lease_seconds / 3:
            return
        held = self.store.heartbeat([running.claim])
        if running.claim.task_id in held:
            slice_.renewed_at = now
        elif slice_.running is running:
            self._interrupt(running, LeaseLost(), now)

    def _exchange(self, running: Running, now: float) -> None:
        """Write the handler's progress and learn whether somebody wants it to stop."""
        if now - self._exchanged < EVERY_SECOND:
            return
        self._exchanged = now
        if (progress := running.progress) is not None and self.store.progress(running.claim, progress):
            running.progress = None
        if running.cancelled_at is None and self.store.cancel_requested([running.claim]):
            running.cancelled_at = now

    def _interrupt_if_due(self, slice_: Slice, running: Running, now: float) -> None:
        if running.interrupted_at is None:
            if (error := self._due_interrupt(slice_, running, now)) is not None:
                self._interrupt(running, error, now)
        elif now - running.interrupted_at > self.runner.limits.grace_seconds:
            self._end(slice_, running)
        else:
            self.runner.remind()

    def _due_interrupt(self, slice_: Slice, running: Running, now: float) -> BaseException | None:
        limits, claim = self.runner.limits, running.claim
        if now - slice_.renewed_at > limits.lease_seconds * 0.8:
            # It could not be renewed: stop before the lease ends and another worker begins.
            return LeaseLost()
        if now - running.started > claim.timeout_seconds:
            return time_limit_exceeded(claim)
        if self._stopping_for() > limits.shutdown_seconds:
            return worker_stopped()
        is_ignored = running.cancelled_at is not None and now - running.cancelled_at > limits.grace_seconds
        if is_ignored and may_force_cancel(claim.operation):
            return Cancelled("The task was cancelled and did not stop by itself.")
        return None

    def _interrupt(self, running: Running, error: BaseException, now: float) -> None:
        if running.interrupted_at is None:
            running.interrupted_at, running.interrupted_by = now, error
            self.runner.interrupt(running, error)

    def _end(self, slice_: Slice, running: Running) -> None:
        # Under the slice's lock: the main thread cannot end the row, or begin another, on the way out.
        with slice_.lock:
            if slice_.running is not running:
                return
            task_id = running.claim.task_id
            logger.error(
                "Task %s heeds no interrupt; ending this process", task_id, extra=running.log_fields()
            )
            endings = slice_.take_unwritten()
            if (error := running.interrupted_by) is not None and not isinstance(error, LeaseLost):
                endings.append(self.runner.ended_by(running, error))
            try:
                self.store.finish(endings)
            finally:
                self._end_process()
