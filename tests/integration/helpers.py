"""Shorthands for tests of the store."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from tasks_app import store
from tasks_app.lifecycle import Outcome, Status
from tasks_app.models import Task
from tasks_app.records import Claim, Ending, NewTask

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
LEASE = 60.0


def at(seconds: float) -> datetime:
    """A moment this many seconds after noon, the time at which the tests' tasks are created."""
    return NOON + timedelta(seconds=seconds)


def new_task(operation: str = "4+7", **fields: Any) -> NewTask:
    return NewTask(**{"operation": operation, "max_attempts": 3, "timeout_seconds": 30.0, **fields})


def create(*new: NewTask, now: datetime = NOON) -> list[UUID]:
    return [task.task_id for task in store.create(new or [new_task()], now)]


def claim(limit: int = 100, now: datetime = NOON, worker: str = "w1", **kwargs: Any) -> list[Claim]:
    return store.claim(
        kwargs.pop("queue", "tasks"), worker, limit, lease_seconds=LEASE, slow=kwargs.pop("slow", ()), now=now
    )


def ending(claim: Claim, status: Status = Status.SUCCESS, **fields: Any) -> Ending:
    outcome = fields.pop("outcome", Outcome.SUCCESS if status is Status.SUCCESS else Outcome.ERROR)
    return Ending(claim=claim, outcome=outcome, status=status, runtime_seconds=0.5, **fields)


def status_of(task_id: UUID) -> str:
    return Task.objects.get(task_id=task_id).status


def at_once(work: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each piece in a thread with a database connection of its own, all released by one barrier."""
    barrier = threading.Barrier(len(work))
    results: list[Any] = [None] * len(work)

    def run(index: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            results[index] = work[index]()
        except BaseException as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    failed = [result for result in results if isinstance(result, BaseException)]
    if failed:
        raise failed[0]
    return results
