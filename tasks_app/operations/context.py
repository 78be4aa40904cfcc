"""What a handler may know of the attempt that it runs in."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from tasks_app.operations.errors import Cancelled

_STEP_SECONDS = 0.05


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
