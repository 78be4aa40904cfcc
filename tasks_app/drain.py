"""One drain: claim, run and finish rows of a queue until nothing is claimable or its time is spent."""

import inspect
import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from tasks_app import doorbell, log_context, metering, operations, store
from tasks_app.events import TaskEvents
from tasks_app.portions import go_on
from tasks_app.records import Claim, Ending
from tasks_app.runner import Limits, Runner
from tasks_app.shutdown import is_stopping, stopping_for
from tasks_app.slices import Slice
from tasks_app.watchdog import Watchdog

logger = logging.getLogger(__name__)

ALL_SIGNALS = frozenset(int(number) for number in signal.valid_signals())
# Plain numbers: the module's own wrapper makes members of an enum of all signals, which takes longer than a claim.
_set_mask: Callable[[int, Iterable[int]], set[int]] = inspect.unwrap(signal.pthread_sigmask)
TELLING_PAUSE = 0.2
"""Seconds in which a process asks for one sweep at most: many short drains must not keep the scheduler worker busy."""
AWAY = (OperationalError, InterfaceError)


class LeasedStore:
    """The task store with this service's lease: the port that runner and watchdog write through."""

    release = staticmethod(store.release)
    cancel_requested = staticmethod(store.cancel_requested)
    progress = staticmethod(store.progress)

    def finish(self, endings: Sequence[Ending]) -> set[UUID]:
        """As the store's, and count what was written."""
        won = store.finish(endings)
        metering.ended([ending for ending in endings if ending.claim.task_id in won])
        return won

    def heartbeat(self, claims: Sequence[Claim]) -> set[UUID]:
        return store.heartbeat(claims, lease_seconds=settings.CONFIG.lease_seconds)


class ClaimSize:
    """How many quick rows to claim: as many as fit into the time of a slice, found by doubling and halving."""

    def __init__(self, most: int, slice_seconds: float) -> None:
        self.most = most
        self.slice_seconds = slice_seconds
        self.rows = min(10, most)

    def learn(self, claimed: int, seconds: float) -> None:
        """Take in how long a slice took."""
        if seconds > self.slice_seconds / 2:
            self.rows = max(1, self.rows // 2)
        elif claimed >= self.rows:
            self.rows = min(self.most, self.rows * 2)


class Worker:
    """This process's hands: one runner, one watchdog, the memory of how quick its rows are."""

    def __init__(self) -> None:
        config = settings.CONFIG
        self.runner = Runner(
            Limits(
                lease_seconds=config.lease_seconds,
                slice_seconds=config.slice_seconds,
                grace_seconds=config.timeout_grace_seconds,
                shutdown_seconds=config.shutdown_grace_seconds,
                max_result_bytes=config.max_result_bytes,
            ),
            is_stopping=is_stopping,
        )
        log_context.follow(self.runner)
        self.store = LeasedStore()
        # Process ids come again, in containers at once; no two processes may ever share a name.
        self.name = f"{os.getpid()}-{secrets.token_hex(3)}"
        self.watchdog = Watchdog(
            self.runner, self.store, close_connection=close_connection, stopping_for=stopping_for
        )
        self.watchdog.start()
        # Claims whose handlers began and whose endings are not known to be written: only a rescue may end them.
        self._begun: set[tuple[UUID, int]] = set()
        self._told_at = float("-inf")
        self.claim_size = ClaimSize(config.claim_size, config.slice_seconds)

    def drain(self, queue: str, hostname: str, seconds: float) -> int:
        """Work off a queue for at most about `seconds`; how many attempts ended."""
        events = TaskEvents(hostname)
        name = f"{hostname}/{self.name}"
        ended = 0
        deadline = time.monotonic() + seconds
        slice_ = None if is_stopping() else self._claim(queue, name)
        if slice_ is not None and slice_.claims[0].others_wait is not False:
            _wake_another(queue)
        while slice_ is not None:
            self._run(slice_)
            is_last = time.monotonic() > deadline
            following = self._write(slice_, name, None if is_last else queue)
            ended += len(slice_.endings)
            events.ran(slice_.endings)
            if is_last:
                _wake_another(queue)
            slice_ = following
        return ended

    def _run(self, slice_: Slice) -> None:
        begun_at = time.monotonic()
        self.watchdog.watch(slice_)
        try:
            self.runner.run(slice_)
        finally:
            self.watchdog.rest()
        self.claim_size.learn(len(slice_.claims), time.monotonic() - begun_at)

    def _write(self, slice_: Slice, name: str, queue: str | None) -> Slice | None:
        """Write what a slice has brought, and claim the next one of `queue`, unless that is None."""
        endings, waiting = slice_.take_unwritten(), slice_.take_waiting()
        # First, because the writes below may give up.
        self._begun |= {(claim.task_id, claim.fence) for claim in slice_.begun}
        until = slice_.renewed_at + settings.CONFIG.lease_seconds
        following = None
        goes_on = queue is not None and not is_stopping()
        # What did not begin is more urgent than what comes next: it must be back in the table before the claim.
        if queue is not None and goes_on and endings and not waiting:
            # Behind a short slice: if the queue mixes priorities, each of them would wait for a commit of its own.
            following = self._claim(queue, name, endings, until, fill=slice_.fills_next)
        else:
            patiently(lambda: self.store.finish(endings), until)
            if waiting:
                patiently(
                    lambda: self.store.release(waiting), slice_.claimed_at + settings.CONFIG.lease_seconds
                )
            if queue is not None and goes_on:
                following = self._claim(queue, name)
        self._begun -= {(item.claim.task_id, item.claim.fence) for item in slice_.endings}
        self._have_told(endings)
        return following

    def _have_told(self, endings: Sequence[Ending]) -> None:
        """Have the ends told at once that somebody is to be told of; beat's next sweep would do it within a second."""
        now = time.monotonic()
        if now - self._told_at >= TELLING_PAUSE and any(item.claim.is_told for item in endings):
            self._told_at = now
            go_on("tasks_app.tasks.sweep")

    def _claim(
        self,
        queue: str,
        name: str,
        endings: Sequence[Ending] = (),
        until: float = 0.0,
        *,
        fill: bool = False,
    ) -> Slice | None:
        """Claim a slice, in the commit that writes these endings if there are any (`until`: as for `patiently`)."""
        # Read before the statement: the lease must never look longer here than it is in the database.
        claimed_at = time.monotonic()
        lease, slow, most = settings.CONFIG.lease_seconds, operations.slow_names(), self.claim_size.rows
        try:
            with signals_masked():
                if endings:
                    claims = store.finish_and_claim(
                        endings, queue, name, most, lease_seconds=lease, slow=slow, fill=fill
                    )
                else:
                    claims = store.claim(queue, name, most, lease_seconds=lease, slow=slow)
        except AWAY:
            logger.warning("A claim was not answered; giving back what it may have taken", exc_info=True)
            connection.close()
            if endings:
                patiently(lambda: self.store.finish(endings), until)
            patiently(lambda: self._give_back(name), claimed_at + lease)
            return None
        metering.ended(endings)
        if not claims:
            return None
        head = claims[0]
        fills_next = (
            (fill or len(claims) < most) and head.others_wait is not False and head.operation not in slow
        )
        return Slice(claims, claimed_at, fills_next=fills_next)

    def _give_back(self, name: str) -> None:
        # The claim may have been committed before its answer was lost. What stands in this process's name and was
        # not begun by it costs neither a lease's time nor an attempt.
        store.release(
            [claim for claim in store.held_by(name) if (claim.task_id, claim.fence) not in self._begun]
        )


def patiently(write: Callable[[], object], until: float) -> None:
    """Write, and try again while the database is away, until the lease is over (a time of the monotonic clock).

    A write whose answer was lost has happened: its repetition finds no row of that fence and changes nothing.
    """
    pause = 0.1
    while True:
        try:
            with signals_masked():
                write()
            return
        except AWAY:
            connection.close()
            if time.monotonic() + pause > until:
                raise
            logger.warning("The database is away; trying again in %.1f s", pause, exc_info=True)
        time.sleep(pause)
        pause = min(2.0, pause * 2)


@contextmanager
def signals_masked() -> Iterator[None]:
    """Hold signals back while the store is written: one that strikes inside a COMMIT makes a done write look undone."""
    before = _set_mask(signal.SIG_BLOCK, ALL_SIGNALS)
    try:
        yield
    finally:
        _set_mask(signal.SIG_SETMASK, before)


def close_connection() -> None:
    """Close this thread's database connection (`connection` stands for another one in each thread)."""
    connection.close()


@cache
def worker() -> Worker:
    """The one Worker of this process. Made after the fork: threads and signal handlers don't survive it."""
    return Worker()


def _wake_another(queue: str) -> None:
    try:
        if store.has_pending(queue):
            doorbell.ring(queue)
    except AWAY:
        # Never let it cost a claim that was made already; the sweeper rings as well.
        logger.warning("Could not look for more work in queue %s", queue, exc_info=True)
        connection.close()
