"""What a task is given where neither its request nor its operation says anything."""

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
    default = default_backoff()
    if operation is not None:
        curve = curve or operation.retry_backoff
        base_seconds = base_seconds or operation.retry_base_seconds
        cap_seconds = cap_seconds or operation.retry_cap_seconds
    return Backoff(
        base_seconds=base_seconds or default.base_seconds,
        cap_seconds=cap_seconds or default.cap_seconds,
        curve=Curve(curve) if curve else default.curve,
    )


def find_operation(text: str) -> Operation | None:
    """The operation that a stored text names; None when this process does not know it."""
    try:
        return resolve(text)
    except OperationError:
        return None
