"""The statements of a tick that the ORM cannot express, for PostgreSQL and SQLite. Only `store` calls them.

A statement's text never depends on the number of rows (`tasks_app.arrays`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, CharField, QuerySet
from django.db.models.expressions import RawSQL

from tasks_app import arrays
from tasks_app.arrays import Kinds, Row
from tasks_app.lifecycle import TERMINAL, Status

Key = UUID | str
"""An id; the text is that of the database."""

AnyKey = TypeVar("AnyKey", bound=Key)


class Advance(NamedTuple):
    """A schedule's step from one `next_run_at` to another; `last` None: no task was created."""

    schedule_id: Key
    old: datetime | None
    new: datetime | None
    due: datetime | None
    last: datetime | None
    created: int
    waiting: Sequence[datetime] = ()
    """The occurrences that wait for the end of a task, oldest first."""


class Counters(NamedTuple):
    """What a schedule keeps of the ends of its tasks."""

    schedule_id: UUID
    consecutive_failures: int
    last_success_at: datetime | None
    last_failure_at: datetime | None
    success_overdue_since: datetime | None


class FiredRow(NamedTuple):
    """The ledger's row of an occurrence that gave a task."""

    schedule_id: Key
    occurs_at: datetime
    verdict: str
    decided_at: datetime
    task_id: Key
    revision: int
    origin: str = "schedule"


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

# What `plain` knows nothing of, and the last task of a schedule, which ends it. Scalar for the same reason.
_IS_PLAIN = """
paused_at IS NULL AND next_run_at IS NOT NULL AND overlap = 'allow' AND buffered_count = 0 AND catch_up_limit > 0
AND (schedule_x_times IS NULL OR tasks_created + 1 < schedule_x_times)
AND excluded_dates = '[]' AND overrides = '{}' AND (
    SELECT 1 FROM schedules_schedulecalendar c
    WHERE c.task_schedule_id = schedules_taskschedule.task_schedule_id LIMIT 1
) IS NULL
"""

_PIN_PLANS = "; ".join(
    f"SET LOCAL enable_{node} = off" for node in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin")
)

_STEP: Kinds = {
    "id": "uuid",
    "old": "timestamptz",
    "new": "timestamptz",
    "due": "timestamptz",
    "last": "timestamptz",
    "created": "bigint",
    "buffered": "jsonb",
    "buffered_count": "bigint",
}
_PAIR: Kinds = {"number": "bigint", "id": "uuid", "occurs_at": "timestamptz"}
_COUNTED: Kinds = {
    "id": "uuid",
    "failures": "bigint",
    "succeeded": "timestamptz",
    "failed": "timestamptz",
    "overdue": "timestamptz",
}
_KEY: Kinds = {"id": "uuid"}
_FIRED: Kinds = {
    "task_schedule_id": "uuid",
    "occurs_at": "timestamptz",
    "verdict": "text",
    "decided_at": "timestamptz",
    "task_id": "uuid",
    "revision": "bigint",
    "origin": "text",
}
_RECORD = f"""
INSERT INTO schedules_occurrence ({", ".join(_FIRED)}, reason, count, task_status)
WITH {{given}} SELECT g.*, '', 1, '' FROM given g
"""  # noqa: S608 - constant names


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


# Scalar subqueries in their indexes' order, not EXISTS: see is_empty.
_HAS_WORK = """
SELECT
    (SELECT 1 FROM schedules_taskschedule WHERE due_at IS NOT NULL AND due_at <= %(now)s ORDER BY due_at LIMIT 1),
    (SELECT 1 FROM schedules_taskschedule WHERE buffered_count > 0 ORDER BY task_schedule_id LIMIT 1),
    (SELECT 1 FROM schedules_backfill WHERE status = 'RUNNING' ORDER BY backfill_id LIMIT 1)
"""
_NEXT_FIRING = """
SELECT next_run_at FROM schedules_taskschedule
WHERE next_run_at IS NOT NULL AND next_run_at BETWEEN %(since)s AND %(until)s AND paused_at IS NULL
ORDER BY next_run_at LIMIT 1
"""


def has_work(now: datetime) -> bool:
    """Whether a tick has something to look at: schedules that are due, occurrences that wait, backfills."""
    return any(_look(_HAS_WORK, now=now))


def next_firing(since: datetime, until: datetime) -> datetime | None:
    """The earliest `next_run_at` in a range of the schedules that are not paused."""
    moment: datetime | None = next(iter(_look(_NEXT_FIRING, since=since, until=until)), None)
    return moment and arrays.in_utc(moment)


def _look(statement: str, **moments: datetime) -> tuple[Any, ...]:
    given = moments if _is_postgres() else {name: arrays.sqlite_time(time) for name, time in moments.items()}
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row or ()


def advance(steps: Sequence[Advance]) -> set[Key]:
    """Move schedules on whose `next_run_at` is still the old one; the ids of those, as they were given."""
    given = [
        (*step[:6], [time.isoformat() for time in step.waiting] if step.waiting else [], len(step.waiting))
        for step in steps
    ]
    keys = {step.schedule_id for step in steps}
    if not given:
        return keys
    with connection.cursor() as cursor:
        _execute(cursor, _ADVANCE, _STEP, given)
        # To read thousands of ids takes longer than to count them. SQLite counts when it has answered all.
        if _is_postgres() and cursor.rowcount == len(keys):
            return keys
        moved = _ids(cursor.fetchall())
    return {key for key in keys if (key if isinstance(key, UUID) else UUID(key)) in moved}


def count(counters: Sequence[Counters]) -> None:
    """Write what schedules keep of the ends of their tasks; whoever calls this has locked them."""
    if counters:
        pin_plans()
        _run(_COUNT, _COUNTED, counters)


def recorded(pairs: Sequence[tuple[AnyKey, datetime]]) -> set[tuple[AnyKey, datetime]]:
    """Those pairs of schedule and nominal time that the ledger has a verdict on already."""
    given = [(number, key, time) for number, (key, time) in enumerate(pairs)]
    return {pairs[number] for (number,) in _run(_RECORDED, _PAIR, given)}


def record(rows: Sequence[FiredRow]) -> None:
    """Add to the ledger. Raises IntegrityError if an occurrence has its verdict already."""
    if rows:
        with connection.cursor() as cursor:
            _execute(cursor, _RECORD, _FIRED, rows)


def running(schedule_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the schedules that have an unfinished task, whatever created it."""
    if not schedule_ids:
        return set()
    return _ids(_run(_RUNNING, _KEY, [(key,) for key in schedule_ids]))


def unfinished() -> RawSQL:
    """In a query of schedules: the status of one of its unfinished tasks, or NULL."""
    return RawSQL(_UNFINISHED_OF, (), CharField())  # noqa: S611 - constant text


def is_plain() -> RawSQL:
    """In a query of schedules: whether nothing in a row asks for more than `plain` does."""
    return RawSQL(_IS_PLAIN, (), BooleanField())  # noqa: S611 - constant text


def _ids(rows: Sequence[tuple[Any, ...]]) -> set[UUID]:
    return {key if isinstance(key, UUID) else UUID(hex=key) for (key,) in rows}


def _run(template: str, kinds: Kinds, rows: Sequence[Row]) -> list[Row]:
    if not rows:
        return []
    with connection.cursor() as cursor:
        _execute(cursor, template, kinds, rows)
        found: list[Row] = cursor.fetchall()
    return found


def _execute(cursor: Any, template: str, kinds: Kinds, rows: Sequence[Row]) -> None:
    if _is_postgres():
        given, parameters = arrays.postgres_select(kinds), arrays.postgres_parameters(rows, kinds)
    else:
        given, parameters = arrays.sqlite_select(kinds), arrays.sqlite_parameters(rows)
    given = f"given AS MATERIALIZED ({given})"
    cursor.execute(template.format(given=given, unfinished=_UNFINISHED), parameters)


def _is_postgres() -> bool:
    return connection.vendor == "postgresql"
