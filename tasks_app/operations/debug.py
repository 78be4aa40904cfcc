"""Operations to try the service with. They exist only where settings say `DEBUG_OPERATIONS = True`."""

from typing import Annotated

from pydantic import Field, JsonValue

from tasks_app.operations.context import Context
from tasks_app.operations.errors import DoNotRetry
from tasks_app.operations.registry import operation


class DebugFailure(Exception):
    """What `debug.fail` raises."""


def sleep(seconds: Annotated[float, Field(ge=0, le=86_400)], context: Context) -> dict[str, float]:
    """Waits, and can be cancelled meanwhile; returns how long it was told to wait, in seconds."""
    context.sleep(seconds)
    return {"slept_seconds": seconds}


def fail(
    message: Annotated[str, Field(max_length=1000)] = "This task was told to fail.", retryable: bool = True
) -> None:
    """Fails with the message, in each attempt; only once if it is not retryable."""
    raise DebugFailure(message) if retryable else DoNotRetry(message)


def echo(**values: JsonValue) -> dict[str, JsonValue]:
    """Returns its arguments, whichever they are."""
    return values


def register() -> None:
    """Register the operations of this module."""
    operation("debug.sleep")(sleep)
    operation("debug.fail", quick=True)(fail)
    operation("debug.echo", quick=True)(echo)
