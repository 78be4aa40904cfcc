"""What the tables hold, as plain values, and what must hold of it whatever the model says."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from tasks_app.lifecycle import TERMINAL, TRANSITIONS, WAITING, Status
from tasks_app.models import Attempt, Task
from tasks_app.records import JSON


@dataclass(slots=True)
class Row:
    """A row of the task table: the columns that the store changes or decides by. `code` is that of `error`."""

    task_id: UUID
    operation: str
    arguments: dict[str, JSON]
    priority: int
    queue: str
    max_attempts: int
    retry_backoff: str
    retry_base_seconds: float
    unique_key: str | None
    project_id: int
    retry_of: UUID | None
    run_at: datetime
    expires_at: datetime | None
    created_at: datetime
    status: Status
    attempt: int = 0
    fence: int = 0
    crashes: int = 0
    worker: str = ""
    lease_expires_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: JSON = None
    result: JSON = None
    error: str | None = None
    """Only its code."""

    def urgency(self) -> tuple[int, datetime, UUID]:
        """What claims are ordered by."""
        return self.priority, self.run_at, self.task_id


COLUMNS = tuple(item.name for item in fields(Row))


class Ended(NamedTuple):
    """A row of the attempt table."""

    number: int
    fence: int
    worker: str
    started_at: datetime
    finished_at: datetime
    outcome: str


@dataclass(frozen=True)
class Snapshot:
    """Both tables at one moment; the attempts of each task in the order of their fences."""

    rows: dict[UUID, Row] = field(default_factory=dict)
    attempts: dict[UUID, list[Ended]] = field(default_factory=lambda: defaultdict(list))


def read() -> Snapshot:
    """What the tables hold now."""
    snapshot = Snapshot()
    for values in Task.objects.values_list(*COLUMNS):
        row = Row(*values)
        row.error = row.error["code"] if row.error is not None else None
        snapshot.rows[row.task_id] = row
    for task_id, *values in Attempt.objects.order_by("fence").values_list("task_id", *Ended._fields):
        snapshot.attempts[task_id].append(Ended(*values))
    return snapshot


def violations(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """What one verb broke, one line each: rules that hold of any two snapshots between which it ran."""
    yield from _keys(after)
    yield from _attempts(before, after)
    for task_id, row in after.rows.items():
        was = before.rows.get(task_id)
        if found := [*_alone(row), *(_born(row) if was is None else _changed(was, row))]:
            yield f"{task_id}: {', '.join(found)}: {was} -> {row}"
    yield from _urgency(before, after)


def _alone(row: Row) -> Iterator[str]:
    if row.status not in set(Status):
        yield "unknown status"
    if not 0 <= row.attempt <= row.max_attempts:
        yield "more attempts than allowed"
    if (row.status == Status.STARTED) != (row.lease_expires_at is not None):
        yield "a lease without a holder, or a holder without a lease"
    if row.status in WAITING and row.cancel_requested_at is not None:
        yield "it waits although its cancellation was requested"


def _born(row: Row) -> Iterator[str]:
    if row.status not in {Status.SCHEDULED, Status.PENDING} or row.attempt or row.fence:
        yield "it did not begin at the beginning"


def _changed(was: Row, row: Row) -> Iterator[str]:
    if was.status in TERMINAL and was != row:
        yield "a terminal row changed"
    if was.project_id != row.project_id:
        yield "it went over to another project"
    if row.status != was.status and row.status not in TRANSITIONS[Status(was.status)]:
        yield "a transition that the lifecycle does not allow"
    has_begun = was.status == Status.PENDING and row.status == Status.STARTED
    if row.fence != was.fence + has_begun:
        yield "the fence rises with a claim, and never else"
    if has_begun:
        yield from _started(was, row)


def _started(was: Row, row: Row) -> Iterator[str]:
    assert row.started_at is not None
    if was.run_at > row.started_at:
        yield "started before its run_at"
    if was.expires_at is not None and was.expires_at <= row.started_at:
        yield "started after its expires_at"
    if row.attempt != was.attempt + 1:
        yield "a claim counts one attempt"


def _keys(after: Snapshot) -> Iterator[str]:
    unfinished = [row for row in after.rows.values() if row.status not in TERMINAL and row.unique_key]
    held = Counter((row.project_id, row.unique_key) for row in unfinished)
    yield from (
        f"two unfinished tasks of project and key {key}" for key, number in held.items() if number > 1
    )


def _attempts(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Each attempt that ended has one row, in order, for good; the running one has none."""
    for task_id, ended in after.attempts.items():
        if task_id not in after.rows:
            yield f"{task_id}: attempts without a task"
        if ended[: len(before.attempts.get(task_id, []))] != before.attempts.get(task_id, []):
            yield f"{task_id}: a recorded attempt changed"
        if any(one.fence >= next_.fence for one, next_ in pairwise(ended)):
            yield f"{task_id}: two attempts with one fence"
    for task_id, row in after.rows.items():
        numbers = [one.number for one in after.attempts.get(task_id, [])]
        if numbers != list(range(1, row.attempt + (row.status != Status.STARTED))):
            yield f"{task_id}: has the attempts {numbers}: {row}"


def _urgency(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Nothing that could have been claimed was more urgent than what was."""
    taken = [
        before.rows[task_id]
        for task_id, row in after.rows.items()
        if row.status == Status.STARTED and before.rows[task_id].status == Status.PENDING
    ]
    if not taken:
        return
    head, moment = min(taken, key=Row.urgency), after.rows[taken[0].task_id].started_at
    if {(row.priority, row.queue) for row in taken} != {(head.priority, head.queue)}:
        yield "one claim took tasks of several priorities or queues"
    for row in before.rows.values():
        is_alive = row.expires_at is None or row.expires_at > moment
        is_claimable = row.status == Status.PENDING and row.queue == head.queue and is_alive
        if is_claimable and row.urgency() < head.urgency():
            yield f"{head.task_id} was claimed before {row.task_id}, which is more urgent"


def differences(model: Snapshot, real: Snapshot) -> Iterator[str]:
    """Where the tables are not what the model says. Adopts what only a database's rounding of times changed."""
    for task_id in model.rows.keys() - real.rows.keys():
        yield f"{task_id}: lost from the table: {model.rows[task_id]}"
    for task_id in real.rows.keys() - model.rows.keys():
        yield f"{task_id}: nobody created {real.rows[task_id]}"
    for task_id in model.rows.keys() & real.rows.keys():
        row = real.rows[task_id]
        expected = _with_times_of(row, model.rows[task_id])
        model.rows[task_id] = expected
        if expected != row:
            yield f"{task_id}: {_unequal(expected, row)}"
    for task_id in model.attempts.keys() | real.attempts.keys():
        expected_attempts = model.attempts.get(task_id, [])
        if expected_attempts != real.attempts.get(task_id, []):
            yield f"{task_id}: attempts {real.attempts.get(task_id)}, not {expected_attempts}"


def _unequal(expected: Row, row: Row) -> str:
    pairs = ((name, getattr(row, name), getattr(expected, name)) for name in COLUMNS)
    return ", ".join(
        f"{name} is {found!r}, not {wanted!r}" for name, found, wanted in pairs if found != wanted
    )


def _with_times_of(row: Row, expected: Row) -> Row:
    """SQLite's own arithmetic with times is exact to a millisecond."""
    changes: dict[str, Any] = {}
    for name in ("run_at", "lease_expires_at"):
        found, wanted = getattr(row, name), getattr(expected, name)
        if found and wanted and abs((found - wanted).total_seconds()) <= 0.001:
            changes[name] = found
    return replace(expected, **changes)
