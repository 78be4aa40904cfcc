"""The statements that add new rows to the task table, for PostgreSQL and SQLite. Only `store` calls this module."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from django.db import connection

from tasks_app import arrays, prepared
from tasks_app.arrays import Row
from tasks_app.lifecycle import initial_status

# What a new task sets; the other columns start as NULL, or as these constants.
NEW = {
    "task_id": "uuid",
    "operation": "text",
    "arguments": "jsonb",
    "priority": "smallint",
    "queue": "text",
    "tags": "jsonb",
    "status": "text",
    "max_attempts": "smallint",
    "retry_backoff": "text",
    "retry_base_seconds": "double precision",
    "retry_cap_seconds": "double precision",
    "timeout_seconds": "double precision",
    "run_at": "timestamptz",
    "expires_at": "timestamptz",
    "created_at": "timestamptz",
    "task_schedule": "uuid",
    "retry_of": "uuid",
    "unique_key": "text",
}
_INSERT = (
    "INSERT INTO tasks_task ({names}, attempt, crashes, fence, worker) SELECT n.*, 0, 0, 0, '' FROM ({new}) n"
)
# An UPSERT over a SELECT needs its WHERE, or SQLite reads ON as a join's (SQLite manual, UPSERT).
_WHERE_FREE = " WHERE true ON CONFLICT DO NOTHING RETURNING task_id"

# What a task does not say yet is settled by the statement's moment: to ask for the time would be one more way to the
# database and back. `rows.settle` says the same of the answer.
_SETTLED = {
    "created_at": "coalesce(created_at, statement_timestamp())",
    "run_at": "coalesce(run_at, statement_timestamp())",
    "status": f"""coalesce(status, CASE WHEN run_at > statement_timestamp()
        THEN '{initial_status(is_due=False)}' ELSE '{initial_status(is_due=True)}' END)""",
}
_POSTGRES = _INSERT.format(names=", ".join(NEW), new=arrays.postgres_select(NEW, _SETTLED))
# Named as `prepared` wants them: to read and plan the text takes as long as to insert one row.
_PARAMETERS = tuple(f"new_{name}" for name in NEW)
_POSTGRES_NOW = f"WITH stored AS ({_POSTGRES}) SELECT statement_timestamp()" % tuple(
    f"%({name})s" for name in _PARAMETERS
)
_SQLITE = _INSERT.format(names=", ".join(NEW), new=arrays.sqlite_select(NEW))


def has_clock() -> bool:
    """Whether `insert_now` can be had. SQLite has no other clock than this process."""
    return _is_postgres()


def insert(rows: Sequence[Row]) -> None:
    """Insert new tasks (`NEW`'s columns each), all or none. Raises IntegrityError for an id or key that is taken."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(), _parameters(rows))


def insert_now(rows: Sequence[Row]) -> datetime:
    """As `insert`, for rows that may leave `status`, `run_at` and `created_at` open; the moment that settled them."""
    parameters = dict(zip(_PARAMETERS, _parameters(rows), strict=True))
    [(moment,)] = prepared.run([_POSTGRES_NOW], parameters, pinned=False)
    return cast("datetime", moment)


def insert_where_free(rows: Sequence[Row]) -> set[UUID]:
    """Insert new tasks; the ids of those whose id and key were free."""
    with connection.cursor() as cursor:
        cursor.execute(_statement() + _WHERE_FREE, _parameters(rows))
        return {key if isinstance(key, UUID) else UUID(hex=key) for (key,) in cursor.fetchall()}


def _is_postgres() -> bool:
    return connection.vendor == "postgresql"


def _statement() -> str:
    return _POSTGRES if _is_postgres() else _SQLITE


def _parameters(rows: Sequence[Row]) -> list[str]:
    return arrays.postgres_parameters(rows, NEW) if _is_postgres() else arrays.sqlite_parameters(rows)
