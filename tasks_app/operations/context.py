"""What a handler may know of the attempt that it runs in."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tasks_app.operations.errors import Cancelled

MAX_NOTE = 200
"""Characters of a progress note that are kept."""

_STEP_SECONDS = 0.05


def _unheard(progress: dict[str, Any]) -> None:
    """Outside of a worker nobody listens."""


@dataclass(frozen=True, slots=True)
class Context:
    """The running attempt. A handler gets it through a parameter annotated `Context`.

    `task_id` and `attempt` (from 1) make side effects idempotent: a task may run more than once.
    """

    task_id: uuid.UUID
    attempt: int
    max_attempts: int
    operation: str
    is_cancelled: Callable[[], bool]
    report: Callable[[dict[str, Any]], None] = _unheard
    queue: str = "tasks"

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far the work has come: readable as the task's `progress`, written at most once a second."""
        self.report({"done": done, "total": total, "note": note[:MAX_NOTE]})

    def check_cancelled(self) -> None:
        """Raise Cancelled if the task's cancellation was requested; for handlers that take long."""
        if self.is_cancelled():
            raise Cancelled("The task's cancellation was requested.")

    def sleep(self, seconds: float) -> None:
        """Wait, but raise Cancelled within a moment of the task's cancellation."""
        end = time.monotonic() + seconds
        self.check_cancelled()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _STEP_SECONDS))
            self.check_cancelled()
