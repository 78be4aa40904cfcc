"""What became of the telling of a task's end: its deliveries, each with its attempts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KeyTransform

from tasks_app import queries
from tasks_app.callbacks import outbox
from tasks_app.lifecycle import Outcome
from tasks_app.models import Attempt, Callback, Task


@dataclass(frozen=True, slots=True)
class Delivery:
    """One task that tells of an end, or that there is still none, or none any more."""

    callback: Callback
    url: str | None
    task: Task | None
    attempts: list[Attempt]

    @property
    def is_impossible(self) -> bool:
        """Whether no task could be made that tells of the end."""
        return self.callback.delivery_task_id == outbox.CANNOT


def deliveries_of(task: Task) -> list[Delivery]:
    """The deliveries of a task's end, the first one first; empty unless it has ended and had a `callback_url`."""
    rows = list(Callback.objects.filter(task_id=task.task_id).order_by("number"))
    known = _without_bodies().in_bulk(_ids(rows))
    return [_delivery(row, task, known.get(row.delivery_task_id)) for row in rows]


def response_status(attempt: Attempt, delivery: Task | None) -> int | None:
    """The status of the receiver's answer to an attempt; None if there was none, or the attempt still runs."""
    if attempt.outcome == Outcome.SUCCESS:
        return _whole(delivery.answered if delivery else None)  # type: ignore[attr-defined]
    return _whole(attempt.error.get("response_status") if isinstance(attempt.error, dict) else None)


def _without_bodies() -> QuerySet[Task]:
    """Tasks with the `status` of their results, but neither what they send nor what they got: it may be large."""
    return Task.objects.defer("arguments", "result").annotate(answered=KeyTransform("status", "result"))


def _ids(rows: Iterable[Callback]) -> list[Any]:
    return [row.delivery_task_id for row in rows if row.delivery_task_id is not None]


def _delivery(row: Callback, told: Task, delivery: Task | None) -> Delivery:
    return Delivery(row, told.callback_url, delivery, queries.attempts_of(delivery) if delivery else [])


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None
