"""Helpers that tests of several layers share."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tasks_app.operations import Context, Operation, operation, registry


@contextmanager
def registered_operation(
    handler: Callable[..., Any], name: str = "test.handler", **settings: Any
) -> Iterator[Operation]:
    """Register `handler` as an operation while the block runs; `settings` as for `@operation`."""
    operation(name, **settings)(handler)
    try:
        yield registry.resolve(name)
    finally:
        registry.remove(name)


def a_context(*, is_cancelled: Callable[[], bool] = lambda: False, **values: Any) -> Context:
    """The context of a first attempt."""
    defaults: dict[str, Any] = {
        "task_id": uuid.uuid4(),
        "attempt": 1,
        "max_attempts": 3,
        "operation": "test.handler",
    }
    return Context(is_cancelled=is_cancelled, **{**defaults, **values})
