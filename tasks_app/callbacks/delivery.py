"""From the end of a task to the task that tells it: an `http.request` with retries and attempts as any other."""

import logging
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, ProgrammingError, transaction

from scheduler_service.config import CALLBACK_QUEUE
from scheduler_service.json import encoded_size
from tasks_app import store
from tasks_app.callbacks import outbox
from tasks_app.fields import format_instant
from tasks_app.lifecycle import Backoff
from tasks_app.models import Callback, Task
from tasks_app.operations.http.request import NAME as HTTP_REQUEST
from tasks_app.records import NewTask
from tasks_app.serializers import TaskSerializer

logger = logging.getLogger(__name__)

SLICE = 50
"""Ends that one transaction tells: the result of each may have a megabyte."""
TYPE = "task.finished"
TAG = "callback"
PRIORITY = 5
ANSWER_SECONDS = 15.0
"""How long a receiver may take to answer: while it does, it holds a worker."""
RETRIED = ["300-409", "411-499"]
"""What a receiver that is being set up may answer for a while. 410 (Gone) says that nobody wants to know any more."""
OUTAGES = (OperationalError, InterfaceError, ProgrammingError, MemoryError)
"""A database that does not answer or lacks a migration, a process without memory: the next sweep tries again."""
_OMITTED: tuple[tuple[str, Any], ...] = (("result", None), ("arguments", {}))
"""What is left out of a body that is too large, in this order, and what stands there instead."""


def deliver(limit: int = SLICE) -> int:
    """Store the tasks that tell of up to `limit` ends of other tasks; of how many ends.

    An end that cannot be told is set apart, so that it holds up no others. Raises OUTAGES, which are no end's fault.
    """
    if (
        not outbox.is_any_untold()
    ):  # as in most seconds: SQLite's one write transaction is not taken for a look
        return 0
    try:
        with transaction.atomic():
            waiting = outbox.untold(limit)
            _tell(waiting)
    except OUTAGES:
        raise
    except Exception:
        return _deliver_one_by_one(limit)
    return len(waiting)


def _deliver_one_by_one(limit: int) -> int:
    """As `deliver`, where some end or other cannot be told."""
    with transaction.atomic():
        waiting = outbox.untold(limit)
        for row in waiting:
            try:
                with transaction.atomic():
                    _tell([row])
            except OUTAGES:
                raise
            except Exception:
                logger.exception(
                    "Could not store the task that tells of a task's end; it is set apart, and nobody is told",
                    extra={"task_id": str(row.task_id)},
                )
                outbox.set_apart(row)
    return len(waiting)


def _tell(waiting: list[Callback]) -> None:
    ended = Task.objects.in_bulk([row.task_id for row in waiting])
    new = {row.pk: new_delivery(ended[row.task_id]) for row in waiting if row.task_id in ended}
    store.create(list(new.values()))
    outbox.mark({pk: delivery.task_id for pk, delivery in new.items()})
    outbox.drop(row for row in waiting if row.task_id not in ended)


def new_delivery(task: Task) -> NewTask:
    """The task that tells of the end of this one."""
    config = settings.CONFIG
    base = config.callback_retry_base_seconds
    return NewTask(
        operation=HTTP_REQUEST,
        arguments=arguments(task, config.max_arguments_bytes),
        priority=PRIORITY,
        queue=CALLBACK_QUEUE,
        tags=[TAG],
        max_attempts=config.callback_max_attempts,
        timeout_seconds=min(4 * ANSWER_SECONDS, config.max_timeout_seconds),
        backoff=Backoff(base_seconds=base, cap_seconds=max(base, config.retry_cap_seconds)),
        project_id=task.project_id,
    )


def arguments(task: Task, most: int) -> dict[str, Any]:
    """What `http.request` sends of an ended task, in at most `most` bytes of JSON if leaving out its result and its
    arguments can do that.
    """
    data = {**TaskSerializer().to_representation(task), **{f"{name}_omitted": False for name, _ in _OMITTED}}
    # A terminal row never changes: what it says now it said when the task ended.
    moment = format_instant(task.finished_at) if task.finished_at else None
    body = {"type": TYPE, "timestamp": moment, "data": data}
    sent = {
        "url": task.callback_url,
        "json": body,
        "timeout_seconds": ANSWER_SECONDS,
        "retry_status": RETRIED,
    }
    for name, instead in _OMITTED:
        if encoded_size(sent) <= most:
            break
        data[name], data[f"{name}_omitted"] = instead, True
    return sent
