"""The task state machine, as pure functions: no Django, no clock, no randomness of its own.

`store` applies what is decided here; the database's CHECK constraints and trigger repeat it as guards.
"""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Where a task stands. Each comment says who puts a task there and who takes it out."""

    SCHEDULED = "SCHEDULED"  # created with a run_at ahead; leaves by promote, cancel, expire
    PENDING = "PENDING"  # created due, promoted or released; leaves by claim, cancel, expire
    STARTED = "STARTED"  # claimed: a worker holds its lease; leaves by finish, release, rescue
    RETRY = "RETRY"  # an attempt failed and another is allowed; leaves by promote, cancel, expire
    SUCCESS = "SUCCESS"  # finished by its handler; terminal
    ERROR = "ERROR"  # failed for good; terminal
    CANCELLED = "CANCELLED"  # cancelled before or while it ran; terminal
    EXPIRED = "EXPIRED"  # expires_at passed before it could start; terminal


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCESS = "SUCCESS"
    ERROR = "ERROR"  # the handler raised, or its result cannot be stored
    TIMEOUT = "TIMEOUT"  # it ran longer than its timeout_seconds
    CANCELLED = "CANCELLED"  # it stopped because its cancellation was requested
    STOPPED = "STOPPED"  # its worker was stopped while it ran
    LOST = "LOST"  # its worker vanished: the lease ran out


TERMINAL = frozenset({Status.SUCCESS, Status.ERROR, Status.CANCELLED, Status.EXPIRED})
WAITING = frozenset({Status.SCHEDULED, Status.PENDING, Status.RETRY})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset({Status.PENDING, Status.CANCELLED, Status.EXPIRED}),
    Status.PENDING: frozenset({Status.STARTED, Status.CANCELLED, Status.EXPIRED}),
    Status.STARTED: frozenset({Status.SUCCESS, Status.ERROR, Status.RETRY, Status.CANCELLED, Status.PENDING}),
    Status.RETRY: frozenset({Status.PENDING, Status.CANCELLED, Status.EXPIRED}),
    **{status: frozenset() for status in TERMINAL},
}

MAX_CRASHES = 3
"""A task that took its worker down this often ends as ERROR `worker_lost`, whatever attempts are left."""


class Curve(StrEnum):
    """How the waits between attempts grow."""

    EXPONENTIAL = "exponential"  # base, 2 base, 4 base, … as upper bounds of a uniform draw
    LINEAR = "linear"  # base, 2 base, 3 base, …
    FIXED = "fixed"  # base, always


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts, capped.

    The exponential curve has full jitter: a uniform draw from zero to the bound spreads a herd of failures
    best; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    base_seconds: float = 2.0
    cap_seconds: float = 3600.0
    curve: Curve = Curve.EXPONENTIAL

    def seconds(self, attempt: int, draw: float) -> float:
        """The wait after the failed `attempt` (1, 2, …); `draw` is a random number in [0, 1)."""
        if self.curve is Curve.EXPONENTIAL:
            return min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 60)) * draw
        growth = attempt if self.curve is Curve.LINEAR else 1
        return min(self.cap_seconds, self.base_seconds * growth)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a task whose attempt has ended: its next status and, for RETRY, the wait in seconds."""

    status: Status
    wait_seconds: float = 0.0


def after_attempt(
    outcome: Outcome,
    *,
    attempt: int,
    max_attempts: int,
    backoff: Backoff,
    draw: float,
    retryable: bool = True,
) -> Verdict:
    """Decide what follows the end of an attempt.

    `attempt` counts from 1 and includes the one that ended. `draw` is a random number in [0, 1).
    """
    if outcome is Outcome.SUCCESS:
        return Verdict(Status.SUCCESS)
    if outcome is Outcome.CANCELLED:
        return Verdict(Status.CANCELLED)
    if not retryable or attempt >= max_attempts:
        return Verdict(Status.ERROR)
    if outcome is Outcome.STOPPED:
        return Verdict(Status.RETRY)  # nothing failed: the next worker may begin at once
    return Verdict(Status.RETRY, backoff.seconds(attempt, draw))


def after_loss(
    *, attempt: int, max_attempts: int, crashes: int, cancel_requested: bool, backoff: Backoff, draw: float
) -> Verdict:
    """Decide what follows an expired lease; `crashes` counts lost workers and includes this one."""
    if cancel_requested:
        return Verdict(Status.CANCELLED)
    return after_attempt(
        Outcome.LOST,
        attempt=attempt,
        max_attempts=max_attempts,
        backoff=backoff,
        draw=draw,
        retryable=crashes < MAX_CRASHES,
    )


def initial_status(*, is_due: bool) -> Status:
    """The status of a new task: PENDING when it may run now, else SCHEDULED."""
    return Status.PENDING if is_due else Status.SCHEDULED
