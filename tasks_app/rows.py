"""Between rows of the task table and the records that pass through the service. Reads and writes nothing."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models.base import ModelState

from tasks_app import insertion, sql
from tasks_app.arrays import JSONText, Row
from tasks_app.ids import from_text
from tasks_app.lifecycle import Backoff, Curve, initial_status
from tasks_app.models import Task
from tasks_app.records import Alike, Claim, Ending, NewTask


def new_row(new: NewTask) -> Task:
    """The row of a new task; what depends on the moment of its creation is left to `settle`."""
    # As `Task(…)` would, which takes ten times as long: a batch has thousands.
    task = Task.__new__(Task)
    task.__dict__ = {
        **_blank_columns(),
        "_state": ModelState(),
        "task_id": new.task_id,
        "operation": new.operation,
        "arguments": new.arguments,
        "priority": new.priority,
        "queue": new.queue,
        "tags": list(new.tags),
        "status": None,
        "max_attempts": new.max_attempts,
        "timeout_seconds": new.timeout_seconds,
        "run_at": new.run_at,
        "expires_at": new.expires_at,
        "created_at": None,
        "task_schedule": new.task_schedule,
        "retry_of": new.retry_of,
        "retry_backoff": new.backoff.curve,
        "retry_base_seconds": new.backoff.base_seconds,
        "retry_cap_seconds": new.backoff.cap_seconds,
        "unique_key": new.unique_key,
        "project_id": new.project_id,
        "batch_id": new.batch_id,
        "callback_url": new.callback_url,
    }
    return task


def settle(tasks: Iterable[Task], now: datetime) -> None:
    """Give new rows the moment of their creation, and what follows from it."""
    due, later = initial_status(is_due=True), initial_status(is_due=False)
    for task in tasks:
        row = task.__dict__
        row["created_at"] = now
        if row["run_at"] is None:
            row["run_at"] = now
        row["status"] = due if row["run_at"] <= now else later


def settle_alike(new: Alike, now: datetime) -> Alike:
    """As `settle`, of tasks that are kept by columns."""
    due, later = initial_status(is_due=True), initial_status(is_due=False)
    same, each = {**new.same, "created_at": now}, dict(new.each)
    if "run_at" in each:
        each["run_at"] = [now if moment is None else moment for moment in each["run_at"]]
        each["status"] = [due if moment <= now else later for moment in each["run_at"]]
    else:
        same["run_at"] = same.get("run_at") or now
        same["status"] = due if same["run_at"] <= now else later
    return new._replace(same=same, each=each)


def rows_of(new: Alike) -> list[Row]:
    """What `insertion.insert` takes of settled tasks that are kept by columns."""
    columns = {name: new.column(name) for name in insertion.NEW}
    columns["task_id"] = map(from_text, columns["task_id"])
    for name in ("arguments", "tags"):
        columns[name] = map(JSONText, columns[name])
    return list(zip(*columns.values(), strict=True))


@cache
def _blank_columns() -> dict[str, Any]:
    blank = Task()
    return {field.attname: getattr(blank, field.attname) for field in Task._meta.concrete_fields}


_new_columns = itemgetter(*insertion.NEW)


def columns(task: Task) -> Row:
    """What `insertion` takes of a new task."""
    row: Row = _new_columns(task.__dict__)
    return row


def claim_from(row: sql.Row) -> Claim:
    """The claim in a row that `sql.claim` answered."""
    task_id, fence, queue, operation, arguments, attempt, most, timeout, base, cap, curve = row[:11]
    expires_in, others_wait, is_told, waited = row[11:15]
    return Claim(
        task_id if isinstance(task_id, UUID) else from_text(task_id),
        fence,
        queue,
        operation,
        arguments,
        attempt,
        most,
        timeout,
        _backoff(base, cap, curve),
        None if expires_in is None else float(expires_in),
        others_wait,
        waited,
        bool(is_told),
    )


@lru_cache(maxsize=1024)
def _backoff(base: float, cap: float, curve: str) -> Backoff:
    # Most tasks have the same.
    return Backoff(base, cap, Curve(curve))


def held(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """What names these claims to a guarded write."""
    return [{"task_id": item.task_id, "fence": item.fence} for item in claims]


def ending_columns(ending: Ending) -> dict[str, Any]:
    """What `sql.finish` takes of an ending."""
    return {
        "task_id": ending.claim.task_id,
        "fence": ending.claim.fence,
        "outcome": ending.outcome,
        "status": ending.status,
        "wait": ending.wait_seconds,
        "result": ending.result,
        "error": ending.error,
        "runtime": ending.runtime_seconds,
    }


def claim_of(task: Task) -> Claim:
    """The claim that a task's row stands for."""
    names = ("task_id", "fence", "queue", "operation", "attempt", "max_attempts", "timeout_seconds")
    return Claim(arguments_json=json.dumps(task.arguments), **{name: getattr(task, name) for name in names})


def backoff_of(task: Task) -> Backoff:
    """The waits between the attempts of a stored task."""
    return _backoff(task.retry_base_seconds, task.retry_cap_seconds, task.retry_backoff)
