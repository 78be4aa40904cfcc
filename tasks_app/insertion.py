"""The statements that add new rows to the task table, for PostgreSQL and SQLite. Only `store` calls this module.

A statement's text never depends on the number of rows. PostgreSQL gets an array per column: it reads those in a third
of the time that `jsonb_to_recordset` takes. SQLite has no arrays, and gets one JSON value.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from scheduler_service.json import dumps
from tasks_app.lifecycle import initial_status

Row = tuple[Any, ...]

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
_INSERT = "INSERT INTO tasks_task ({names}, attempt, crashes, fence, worker) SELECT {columns}, 0, 0, 0, '' FROM {new}"
# An UPSERT over a SELECT needs its WHERE, or SQLite reads ON as a join's (SQLite manual, UPSERT).
_WHERE_FREE = " WHERE true ON CONFLICT DO NOTHING RETURNING task_id"

# PostgreSQL has no arrays of documents that a text could be read into without a second look at each.
_ARRAYS = ", ".join(f"%s::{'text' if kind == 'jsonb' else kind}[]" for kind in NEW.values())
# What a task does not say yet is settled by the statement's moment: to ask for the time would be one more way to the
# database and back. `rows.settle` says the same of the answer.
_SETTLED = {
    "created_at": "coalesce(created_at, statement_timestamp())",
    "run_at": "coalesce(run_at, statement_timestamp())",
    "status": f"""coalesce(status, CASE WHEN run_at > statement_timestamp()
        THEN '{initial_status(is_due=False)}' ELSE '{initial_status(is_due=True)}' END)""",
}
_POSTGRES = _INSERT.format(
    names=", ".join(NEW),
    columns=", ".join(
        f"{name}::jsonb" if kind == "jsonb" else _SETTLED.get(name, name) for name, kind in NEW.items()
    ),
    new=f"unnest({_ARRAYS}) AS n({', '.join(NEW)})",
)
_POSTGRES_NOW = f"WITH stored AS ({_POSTGRES}) SELECT statement_timestamp()"
# `->` keeps JSON as JSON, `->>` makes SQL values.
_SQLITE = _INSERT.format(
    names=", ".join(NEW),
    columns=", ".join(
        f"value {'->' if kind == 'jsonb' else '->>'} {number}" for number, kind in enumerate(NEW.values())
    ),
    new="json_each(%s)",
)


def has_clock() -> bool:
    """Whether `insert_now` can be had. SQLite has no other clock than this process."""
    return _is_postgres()


def insert(rows: Sequence[Row]) -> None:
    """Insert new tasks (`NEW`'s columns each), all or none. Raises IntegrityError for an id or key that is taken."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(), _parameters(rows))


def insert_now(rows: Sequence[Row]) -> datetime:
    """As `insert`, for rows that may leave `status`, `run_at` and `created_at` open; the moment that settled them."""
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRES_NOW, _parameters(rows))
        moment: datetime = cursor.fetchone()[0]
        return moment


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
    if _is_postgres():
        columns = zip(*rows, strict=True)
        return [_array(values, _LITERALS[kind]) for values, kind in zip(columns, NEW.values(), strict=True)]
    return [json.dumps([[_plain(value) for value in row] for row in rows])]


def _array(values: tuple[Any, ...], literal: Callable[[Any], str]) -> str:
    """PostgreSQL's text of an array (its manual, section 8.15.6)."""
    first = values[0]
    # Most columns of a batch have one value. That of a document is not compared: {"a": 1} equals {"a": true}.
    if not isinstance(first, (dict, list)) and values == (first,) * len(values):
        items = [_item(first, literal)] * len(values)
    else:
        items = [_item(value, literal) for value in values]
    return "{" + ",".join(items) + "}"


def _item(value: Any, literal: Callable[[Any], str]) -> str:
    return "NULL" if value is None else literal(value)


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _document(value: Any) -> str:
    if value:
        return _quoted(dumps(value))
    return '"{}"' if isinstance(value, dict) else '"[]"'


_LITERALS: dict[str, Callable[[Any], str]] = {
    "uuid": lambda value: f"{value.int:032x}",
    "text": _quoted,
    "jsonb": _document,
    "smallint": str,
    "double precision": repr,
    "timestamptz": datetime.isoformat,
}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return sqlite_time(value)
    return value


def sqlite_time(moment: datetime) -> str:
    """A time as the ORM spells it for SQLite, which compares times as texts."""
    return str(moment.astimezone(UTC).replace(tzinfo=None))
