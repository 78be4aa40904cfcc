"""What becomes of a task whose worker vanished."""

from tasks_app import rows
from tasks_app.lifecycle import Outcome, after_loss
from tasks_app.models import Task
from tasks_app.records import Ending


def loss_of(task: Task, draw: float) -> Ending:
    """The ending of an attempt whose worker vanished; `draw` is a random number in [0, 1) for the wait."""
    verdict = after_loss(
        attempt=task.attempt,
        max_attempts=task.max_attempts,
        crashes=task.crashes + 1,
        cancel_requested=task.cancel_requested_at is not None,
        backoff=rows.backoff_of(task),
        draw=draw,
    )
    message = f"The worker {task.worker} vanished during attempt {task.attempt}."
    return Ending(
        claim=rows.claim_of(task),
        outcome=Outcome.LOST,
        status=verdict.status,
        wait_seconds=verdict.wait_seconds,
        error={"code": "worker_lost", "message": message, "traceback": None},
    )
