"""The only writer of task state. Every change is one guarded write that says which rows it won.

Losing is normal: a row that is missing from an answer was changed by somebody else first. All verbs take
many rows; `now` is for tests and defaults to the database's clock.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from scheduler_service.config import CALLBACK_QUEUE
from tasks_app import doorbell, insertion, losses, metering, rows, sql, sweeps, unique_keys, withdrawal
from tasks_app.callbacks import outbox
from tasks_app.lifecycle import TERMINAL, Status
from tasks_app.models import Task
from tasks_app.records import Alike, Claim, Ending, NewTask, TaskRow
from tasks_app.withdrawal import PRUNE_SLICE as PRUNE_SLICE
from tasks_app.withdrawal import cancel as cancel
from tasks_app.withdrawal import delete as delete
from tasks_app.withdrawal import delete_all as delete_all
from tasks_app.withdrawal import prune as prune

SWEEP_SLICE = 1000
"""Rows per transaction of a sweep: small enough that no lock is held long."""


_REPEATED = (
    "operation",
    "arguments",
    "priority",
    "queue",
    "tags",
    "max_attempts",
    "timeout_seconds",
    "task_schedule",
    "project_id",
    "callback_url",
)
"""What a task that repeats another has of it; its `unique_key` it has not."""


def database_now() -> datetime:
    """The database's clock, aware, UTC."""
    return sql.clock()


def create(
    new: Sequence[NewTask], now: datetime | None = None, along: Sequence[insertion.Statement] = ()
) -> list[Task]:
    """Store tasks in one INSERT; after the commit, ring each queue that got work that is due.

    Where an unfinished task has an item's `unique_key` already, that one stands in its place in the answer.
    What goes `along` is written in the same commit, and on PostgreSQL in the same message: for tasks without keys.
    """
    if not new:
        return []
    tasks = [rows.new_row(item) for item in new]
    # One statement is a transaction of its own: BEGIN and COMMIT would be two more ways to the database.
    is_free = all(task.unique_key is None for task in tasks)
    insert = partial(_insert, along=along) if is_free else _insert_where_free
    # Inside another one it needs no savepoint: what fails it fails the whole.
    is_alone = is_free and not connection.in_atomic_block and (not along or _settles(now))
    with nullcontext() if is_alone else transaction.atomic(savepoint=not is_free):
        others = insert(tasks, now)
        stored = [others.get(task.task_id, task) for task in tasks]
        metering.created(
            (task.operation, task.queue, task.status) for task in tasks if task.task_id not in others
        )
        _ring_after_commit(task.queue for task in stored if task.status == Status.PENDING)
    return stored


def create_alike(new: Alike, now: datetime | None = None) -> Alike:
    """As `create`, for tasks that are kept by columns; what they left open is filled in."""
    if now is None and insertion.has_clock():
        settled = rows.settle_alike(new, insertion.insert_alike(new))
    else:
        settled = rows.settle_alike(new, now or database_now())
        insertion.insert(rows.rows_of(settled))
    metering.created_alike(settled)
    pairs = set(zip(settled.column("queue"), settled.column("status"), strict=True))
    _ring_after_commit(queue for queue, status in pairs if status == Status.PENDING)
    return settled


def lay_down(new: Sequence[TaskRow]) -> None:
    """As `create`, for rows that leave nothing open."""
    if new:
        insertion.insert(new)
        metering.created((row.operation, row.queue, row.status) for row in new)
        _ring_after_commit(row.queue for row in new if row.status == Status.PENDING)


def claim(
    queue: str,
    worker: str,
    limit: int,
    *,
    lease_seconds: float,
    slow: Sequence[str] = (),
    now: datetime | None = None,
) -> list[Claim]:
    """Take the most urgent waiting task of a queue and up to `limit - 1` quick ones of the same priority.

    `slow` names the operations that are not quick: such a task is claimed alone, never held behind others.
    """
    claimed = sql.claim(queue, worker, limit, lease_seconds, slow, now)
    return [rows.claim_from(row) for row in claimed]


def finish(endings: Sequence[Ending], now: datetime | None = None) -> set[UUID]:
    """Write results and attempts of the claims that still hold; the ids of those tasks.

    A stale worker's ending is dropped: its fence was raised by the claim that followed. Of several endings of one
    claim the first is written.
    """
    given = _given(endings)
    return sql.finish(given, now) if given else set()


def finish_and_claim(
    endings: Sequence[Ending],
    queue: str,
    worker: str,
    limit: int,
    *,
    lease_seconds: float,
    slow: Sequence[str] = (),
    fill: bool = False,
    now: datetime | None = None,
) -> list[Claim]:
    """`finish` and then `claim` in one commit, which a drain waits for once per slice instead of twice.

    With `fill`, one claim follows the other until there are `limit` rows or something slow comes next. Each takes one
    priority and is later than the one before. All or nothing: where the answer is lost, all has happened or nothing.
    """
    whose = (queue, worker)
    if not fill:
        claimed = sql.finish_and_claim(_given(endings), *whose, limit, lease_seconds, slow, now)
        return [rows.claim_from(row) for row in claimed]
    with transaction.atomic():
        claimed = sql.finish_and_claim(_given(endings), *whose, limit, lease_seconds, slow, now)
        claims = [rows.claim_from(row) for row in claimed]
        goes_on = bool(claims) and claims[0].operation not in slow
        while goes_on and len(claims) < limit:
            more = sql.claim_behind(*whose, limit - len(claims), lease_seconds, slow, now)
            claims += [rows.claim_from(row) for row in more]
            goes_on = bool(more)
    return claims


def release(claims: Sequence[Claim], now: datetime | None = None) -> set[UUID]:
    """Give back tasks that were claimed but not begun, with their attempt; the ids of those still held."""
    released = sql.release(rows.held(claims), now) if claims else set()
    for queue in {item.queue for item in claims if item.task_id in released}:
        doorbell.ring(queue)
    return released


def heartbeat(claims: Sequence[Claim], *, lease_seconds: float, now: datetime | None = None) -> set[UUID]:
    """Renew leases; the ids of the tasks that this worker still holds."""
    return sql.heartbeat(rows.held(claims), lease_seconds, now) if claims else set()


def retry(task_id: UUID, now: datetime | None = None, *, project_id: int | None = None) -> Task | None:
    """Store a new task like a terminal one, naming it in `retry_of`; None when there is no such terminal task.

    It is of the same project, and of no batch: a batch's id tells where the ids of its tasks lie.
    """
    old = withdrawal.of_project(project_id).filter(task_id=task_id, status__in=TERMINAL).first()
    if old is None:
        return None
    values: dict[str, Any] = {name: getattr(old, name) for name in _REPEATED}
    with transaction.atomic():
        [task] = create([NewTask(**values, backoff=rows.backoff_of(old), retry_of=old.task_id)], now)
        if old.queue == CALLBACK_QUEUE:
            outbox.repeat(old, task.task_id)
    return task


def promote(now: datetime | None = None, limit: int = SWEEP_SLICE) -> int:
    """Make waiting tasks PENDING whose `run_at` has come; how many."""
    queues = sweeps.promote(limit, now)
    _ring_after_commit(queues)
    return len(queues)


def next_promotion(since: datetime, until: datetime) -> datetime | None:
    """The earliest time in this range at which a waiting task is to be promoted."""
    return sweeps.next_promotion(since, until)


def expire(now: datetime | None = None, limit: int = SWEEP_SLICE) -> int:
    """End waiting tasks as EXPIRED whose `expires_at` has come; how many."""
    error = {"code": "expired", "message": "The task did not start before its expires_at.", "traceback": None}
    expired = sweeps.expire(error, limit, now)
    metering.finished((operation, queue, Status.EXPIRED) for operation, queue in expired)
    return len(expired)


def rescue(
    now: datetime | None = None, limit: int = SWEEP_SLICE, draw: Callable[[], float] = random.random
) -> set[UUID]:
    """Take tasks from workers whose lease ran out: RETRY, or ERROR when attempts or crashes are spent.

    CANCELLED if somebody asked for that. Lease and cancellation are checked again in the write itself.
    """
    moment = now or database_now()
    lost = Task.objects.filter(status=Status.STARTED, lease_expires_at__lt=moment)[:limit]
    endings = [losses.loss_of(task, draw()) for task in lost]
    won = finish(endings, now)
    metering.rescued(endings, won)
    return won


def held_by(worker: str) -> list[Claim]:
    """The claims that a worker process holds, by what the table says."""
    return [rows.claim_of(task) for task in Task.objects.filter(status=Status.STARTED, worker=worker)]


def cancel_requested(claims: Sequence[Claim]) -> set[UUID]:
    """Which of these running tasks somebody wants to stop."""
    asked = Task.objects.filter(
        task_id__in=[item.task_id for item in claims], cancel_requested_at__isnull=False
    )
    return set(asked.values_list("task_id", flat=True))


def progress(claim: Claim, value: dict[str, Any]) -> bool:
    """Write how far a running task has come; False when the claim no longer holds."""
    return claim.task_id in sql.progress(rows.held([claim]), value)


def has_pending(queue: str) -> bool:
    """Whether a queue has a task that may be claimed now."""
    return Task.objects.filter(queue=queue, status=Status.PENDING).exists()


def queues_with_work() -> list[str]:
    """The queues that have PENDING tasks."""
    return sweeps.queues_with_work()


def ring_waiting() -> int:
    """Ring every queue that has PENDING tasks: makes up for messages that were lost; how many queues."""
    queues = queues_with_work()
    for queue in queues:
        doorbell.ring_if_quiet(queue)
    return len(queues)


def _settles(now: datetime | None) -> bool:
    """Whether the INSERT itself says the moment of creation: then it is the only statement."""
    return now is None and insertion.has_clock()


def _insert(
    tasks: list[Task], now: datetime | None, along: Sequence[insertion.Statement] = ()
) -> dict[UUID, Task]:
    """Insert tasks without keys; there is no other in the place of any."""
    if _settles(now):
        rows.settle(tasks, insertion.insert_now([rows.columns(task) for task in tasks], along))
    else:
        rows.settle(tasks, now or database_now())
        insertion.send(along)
        insertion.insert([rows.columns(task) for task in tasks])
    return {}


def _insert_where_free(tasks: list[Task], now: datetime | None) -> dict[UUID, Task]:
    return unique_keys.insert_where_free(tasks, now or database_now())


def _given(endings: Sequence[Ending]) -> list[dict[str, Any]]:
    # Two of them in one statement would record the attempt twice, and the whole write would be refused.
    first = {(item.claim.task_id, item.claim.fence): item for item in reversed(endings)}
    return [rows.ending_columns(item) for item in first.values()]


def _ring_after_commit(queues: Iterable[str]) -> None:
    for queue in sorted(set(queues)):
        transaction.on_commit(partial(doorbell.ring, queue), robust=True)
