"""The statements of a tick that the ORM cannot express, for PostgreSQL and SQLite. Only `store` calls them.

Sets of rows travel as one JSON parameter, so that a statement's text never depends on their number.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import CharField, QuerySet
from django.db.models.expressions import RawSQL

from tasks_app.lifecycle import TERMINAL, Status


@dataclass(frozen=True, slots=True)
class Advance:
    """A schedule's step from one `next_run_at` to another; `last` None: no task was created."""

    schedule_id: UUID
    old: datetime | None
    new: datetime | None
    due: datetime | None
    last: datetime | None
    created: int
    waiting: Sequence[datetime] = ()
    """The occurrences that wait for the end of a task, oldest first."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What a schedule keeps of the ends of its tasks."""

    schedule_id: UUID
    consecutive_failures: int
    last_success_at: datetime | None
    last_failure_at: datetime | None
    success_overdue_since: datetime | None


_ADVANCE = """
WITH {given}
UPDATE schedules_taskschedule AS t SET
    next_run_at = g.new, due_at = g.due, last_run_at = coalesce(g.last, t.last_run_at),
    tasks_created = t.tasks_created + g.created, buffered = g.buffered, buffered_count = g.buffered_count
FROM given g
WHERE t.task_schedule_id = g.id AND t.paused_at IS NULL
    AND (t.next_run_at = g.old OR t.next_run_at IS NULL AND g.old IS NULL)
RETURNING task_schedule_id
"""

_COUNT = """
WITH {given}
UPDATE schedules_taskschedule AS t SET
    consecutive_failures = g.failures, last_success_at = g.succeeded, last_failure_at = g.failed,
    success_overdue_since = g.overdue
FROM given g WHERE t.task_schedule_id = g.id RETURNING task_schedule_id
"""

_RECORDED = """
WITH {given}
SELECT g.number FROM given g
WHERE EXISTS (
    SELECT 1 FROM schedules_occurrence o WHERE o.task_schedule_id = g.id AND o.occurs_at = g.occurs_at
)
"""

_UNFINISHED = ", ".join(f"'{status}'" for status in sorted(set(Status) - TERMINAL))
# The statuses are spelled as in the index `task_unfinished`: SQLite uses a partial index for its own words only.
_RUNNING = """
WITH {given}
SELECT g.id FROM given g
WHERE EXISTS (SELECT 1 FROM tasks_task t WHERE t.task_schedule = g.id AND t.status IN ({unfinished}))
"""
# A scalar subquery, not EXISTS: PostgreSQL may hash that one, and then reads every unfinished task of the table.
_UNFINISHED_OF = f"""
SELECT t.status FROM tasks_task t
WHERE t.task_schedule = schedules_taskschedule.task_schedule_id AND t.status IN ({_UNFINISHED}) LIMIT 1
"""  # noqa: S608 - constant names

_PIN_PLANS = "; ".join(
    f"SET LOCAL enable_{node} = off" for node in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin")
)

_GIVEN_POSTGRES = "given AS MATERIALIZED (SELECT * FROM jsonb_to_recordset(%s::jsonb) AS g({}))"
_GIVEN_SQLITE = "given AS MATERIALIZED (SELECT {} FROM json_each(%s))"
_TYPES = {
    "id": "uuid",
    "created": "bigint",
    "number": "bigint",
    "failures": "bigint",
    "buffered": "jsonb",
    "buffered_count": "bigint",
}
_STEP = ("id", "old", "new", "due", "last", "created", "buffered", "buffered_count")


def pin_plans() -> None:
    """Hold this transaction's statements to their indexes, whatever the statistics say.

    Without fresh statistics (a table that was just filled) the planner sorts all that is due for each slice,
    and reads every active schedule in order to advance a few. SQLite plans by the schema alone.
    """
    if _is_postgres():
        with connection.cursor() as cursor:
            cursor.execute(_PIN_PLANS)


def is_empty(chosen: QuerySet[Any]) -> bool:
    """Whether an ordered query has no rows.

    Unlike exists() this keeps the order, and with it the index: without statistics PostgreSQL expects a third of the
    table to be due, and then reads all of it to find nothing.
    """
    return chosen.values_list("pk", flat=True).first() is None


def advance(steps: Sequence[Advance]) -> set[UUID]:
    """Move schedules on whose `next_run_at` is still the old one; the ids of those."""
    given = [
        {
            "id": _id(step.schedule_id),
            "old": _time(step.old),
            "new": _time(step.new),
            "due": _time(step.due),
            "last": _time(step.last),
            "created": step.created,
            "buffered": [time.isoformat() for time in step.waiting],
            "buffered_count": len(step.waiting),
        }
        for step in steps
    ]
    return _ids(_run(_ADVANCE, _STEP, given))


def count(counters: Sequence[Counters]) -> None:
    """Write what schedules keep of the ends of their tasks; whoever calls this has locked them."""
    given = [
        {
            "id": _id(item.schedule_id),
            "failures": item.consecutive_failures,
            "succeeded": _time(item.last_success_at),
            "failed": _time(item.last_failure_at),
            "overdue": _time(item.success_overdue_since),
        }
        for item in counters
    ]
    if given:
        pin_plans()
        _run(_COUNT, ("id", "failures", "succeeded", "failed", "overdue"), given)


def recorded(pairs: Sequence[tuple[UUID, datetime]]) -> set[tuple[UUID, datetime]]:
    """Those pairs of schedule and nominal time that the ledger has a verdict on already."""
    given = [
        {"number": number, "id": _id(key), "occurs_at": _time(time)}
        for number, (key, time) in enumerate(pairs)
    ]
    return {pairs[number] for (number,) in _run(_RECORDED, ("number", "id", "occurs_at"), given)}


def running(schedule_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the schedules that have an unfinished task, whatever created it."""
    if not schedule_ids:
        return set()
    return _ids(_run(_RUNNING, ("id",), [{"id": _id(key)} for key in schedule_ids]))


def unfinished() -> RawSQL:
    """In a query of schedules: the status of one of its unfinished tasks, or NULL."""
    return RawSQL(_UNFINISHED_OF, (), CharField())  # noqa: S611 - constant text


def _ids(rows: Sequence[tuple[Any, ...]]) -> set[UUID]:
    return {key if isinstance(key, UUID) else UUID(hex=key) for (key,) in rows}


def _run(template: str, columns: Sequence[str], given: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        statement = template.format(given=_given(columns), unfinished=_UNFINISHED)
        cursor.execute(statement, [json.dumps(given)])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _given(columns: Sequence[str]) -> str:
    if _is_postgres():
        typed = (f"{name} {_TYPES.get(name, 'timestamptz')}" for name in columns)
        return _GIVEN_POSTGRES.format(", ".join(typed))
    return _GIVEN_SQLITE.format(", ".join(f"value ->> '$.{name}' AS {name}" for name in columns))


def _is_postgres() -> bool:
    return connection.vendor == "postgresql"


def _id(key: UUID) -> str:
    return str(key) if _is_postgres() else key.hex


def _time(time: datetime | None) -> str | None:
    if time is None:
        return None
    # SQLite compares times as texts, so they must be spelled as the ORM spells them.
    return time.isoformat() if _is_postgres() else str(time.astimezone(UTC).replace(tzinfo=None))
