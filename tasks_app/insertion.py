"""The statements that add new rows to the task table, for PostgreSQL and SQLite. Only `store` calls this module."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db import connection

from tasks_app import arrays, prepared
from tasks_app.arrays import Row
from tasks_app.lifecycle import initial_status
from tasks_app.records import Alike

Statement = tuple[str, dict[str, Any]]
"""A statement with named parameters, and these: its own names, which no other one has."""

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
    "project_id": "integer",
    "batch_id": "uuid",
    "callback_url": "text",
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

# Of tasks that are kept by columns, a column comes as an array, or as one value and an empty array.
_OF_ALIKE = {
    name: kind
    for name, kind in NEW.items()
    if name not in ("status", "created_at", "task_schedule", "retry_of", "unique_key")
}
_VALUES = {name: f"coalesce(n.{name}, %(same_{name})s::{kind})" for name, kind in _OF_ALIKE.items()}
_ARRAYS = ", ".join(
    f"jsonb_array_elements(%(each_{name})s::jsonb)"
    if kind == "jsonb"
    else f"unnest(%(each_{name})s::{kind}[])"
    for name, kind in _OF_ALIKE.items()
)
_MOMENT = "statement_timestamp()"
_ALIKE = f"""WITH stored AS (
    INSERT INTO tasks_task ({", ".join(_OF_ALIKE)}, status, created_at, attempt, crashes, fence, worker)
    SELECT {", ".join({**_VALUES, "run_at": f"coalesce({_VALUES['run_at']}, {_MOMENT})"}.values())},
        CASE WHEN {_VALUES["run_at"]} > {_MOMENT}
            THEN '{initial_status(is_due=False)}' ELSE '{initial_status(is_due=True)}' END,
        {_MOMENT}, 0, 0, 0, ''
    FROM ROWS FROM ({_ARRAYS}) n({", ".join(_OF_ALIKE)})
) SELECT {_MOMENT}"""  # noqa: S608 - constant names
_SQLITE = _INSERT.format(names=", ".join(NEW), new=arrays.sqlite_select(NEW))


def has_clock() -> bool:
    """Whether `insert_now` can be had. SQLite has no other clock than this process."""
    return _is_postgres()


def insert(rows: Sequence[Row]) -> None:
    """Insert new tasks (`NEW`'s columns each), all or none. Raises IntegrityError for an id or key that is taken."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(), _parameters(rows))


def insert_now(rows: Sequence[Row], along: Sequence[Statement] = ()) -> datetime:
    """As `insert`, for rows that may leave `status`, `run_at` and `created_at` open; the moment that settled them.

    What goes along happens with it or not at all, and reads no table.
    """
    parameters: dict[str, Any] = dict(zip(_PARAMETERS, _parameters(rows), strict=True))
    for _, others in along:
        parameters.update(others)
    statements = [*(text for text, _ in along), _POSTGRES_NOW]
    [(moment,)] = prepared.run(statements, parameters, pinned=False)
    return cast("datetime", moment)


def send(statements: Sequence[Statement]) -> None:
    """Run what goes along one by one, where it cannot go in the same message. In the caller's transaction."""
    with connection.cursor() as cursor:
        for text, parameters in statements:
            cursor.execute(text, parameters)


def insert_alike(new: Alike) -> datetime:
    """As `insert_now`, for tasks that are kept by columns."""
    parameters = {}
    for name, kind in _OF_ALIKE.items():
        parameters[f"same_{name}"] = arrays.scalar(new.same.get(name), kind)
        parameters[f"each_{name}"] = arrays.array(new.each.get(name, ()), kind)
    [(moment,)] = prepared.run([_ALIKE], parameters, pinned=False)
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
