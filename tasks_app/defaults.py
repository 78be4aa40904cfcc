"""What a task is given where neither its request nor its operation says anything."""

from functools import lru_cache

from django.conf import settings

from tasks_app.lifecycle import Backoff, Curve
from tasks_app.operations import Operation, OperationError, resolve


def default_backoff() -> Backoff:
    """The waits between attempts of operations that set none."""
    config = settings.CONFIG
    return Backoff(base_seconds=config.retry_base_seconds, cap_seconds=config.retry_cap_seconds)


def backoff_of(
    operation: Operation | None,
    *,
    curve: str | None = None,
    base_seconds: float | None = None,
    cap_seconds: float | None = None,
) -> Backoff:
    """The waits between attempts of a task: as the request says, else its operation, else the configuration."""
    config = settings.CONFIG
    if operation is not None:
        curve = curve or operation.retry_backoff
        base_seconds = base_seconds or operation.retry_base_seconds
        cap_seconds = cap_seconds or operation.retry_cap_seconds
    return _backoff(base_seconds or config.retry_base_seconds, cap_seconds or config.retry_cap_seconds, curve)


# Typed: 2 and 2.0 are one key otherwise, and are spelled differently in an answer.
@lru_cache(maxsize=1024, typed=True)
def _backoff(base_seconds: float, cap_seconds: float, curve: str | None) -> Backoff:
    return Backoff(base_seconds, cap_seconds, Curve(curve) if curve else Curve.EXPONENTIAL)


def find_operation(text: str) -> Operation | None:
    """The operation that a stored text names; None when this process does not know it."""
    try:
        return resolve(text)
    except OperationError:
        return None
