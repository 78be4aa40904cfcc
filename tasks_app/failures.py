"""What a failed attempt leaves in its task's row: a code for programs, a message and a traceback for people."""

import traceback
from typing import Any

from tasks_app.lifecycle import Outcome
from tasks_app.operations import Cancelled, DoNotRetry, OperationError, Retry, RetryAt, TimeLimitExceeded

MAX_MESSAGE = 2_000
"""Characters of a message that are kept."""
MAX_TRACEBACK = 8_000
"""Characters of a traceback that are kept: its end, where the error is."""


class WorkerStopped(BaseException):
    """Raised into a handler whose worker was told to stop and whose grace is over.

    Not an Exception, so that a handler's own `except Exception` does not keep the worker from stopping.
    """

    code = "worker_stopped"


_OWN = (WorkerStopped, DoNotRetry, Retry, RetryAt, TimeLimitExceeded, Cancelled, OperationError)


class BadResult(DoNotRetry):
    """The handler's work is done, but what it returned cannot be stored: running it again would repeat the work."""

    code = "bad_result"


def describe(error: BaseException) -> dict[str, Any]:
    """The `error` of an attempt."""
    own = {"code": _code(error), "message": _message(error), "traceback": _traceback(error)}
    return {**getattr(error, "details", {}), **own} if isinstance(error, _OWN) else own


def outcome(error: BaseException, *, cancel_requested: bool) -> Outcome:
    """How the attempt ended that raised this."""
    if isinstance(error, TimeLimitExceeded):
        return Outcome.TIMEOUT
    if isinstance(error, WorkerStopped):
        return Outcome.STOPPED
    if isinstance(error, Cancelled) and cancel_requested:
        return Outcome.CANCELLED
    return Outcome.ERROR


def _code(error: BaseException) -> str:
    if isinstance(error, TimeLimitExceeded):
        return "timeout"
    if isinstance(error, Cancelled):
        return "cancelled"
    own = getattr(error, "code", None) if isinstance(error, _OWN) else None
    return str(own or "handler_error")


def _message(error: BaseException) -> str:
    text = str(error) if isinstance(error, _OWN) else f"{type(error).__name__}: {error}"
    return _storable(text)[:MAX_MESSAGE]


def _traceback(error: BaseException) -> str | None:
    if isinstance(error, _OWN):
        return None  # raised on purpose: the message says it all
    return _storable("".join(traceback.format_exception(error)))[-MAX_TRACEBACK:]


def _storable(text: str) -> str:
    # PostgreSQL's JSON refuses NUL and lone surrogates, and an error's text may hold both.
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
