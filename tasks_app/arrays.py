"""Sets of rows as parameters of one statement, whose text then never depends on their number.

PostgreSQL gets an array per column: it reads those in a third of the time that `jsonb_to_recordset` takes. SQLite has
no arrays, and gets one JSON value.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from scheduler_service.json import dumps

Row = tuple[Any, ...]
Kinds = Mapping[str, str]
"""PostgreSQL's types of a row's columns, by their names."""


class JSONText(str):
    """A document as a database has spelled it."""

    __slots__ = ()


def postgres_select(kinds: Kinds, instead: Mapping[str, str] | None = None) -> str:
    """A query for rows of these columns; `postgres_parameters` fill it. `instead` has expressions for some columns."""
    shown = instead or {}
    # PostgreSQL has no arrays of documents that a text could be read into without a second look at each.
    arrays = ", ".join(f"%s::{'text' if kind == 'jsonb' else kind}[]" for kind in kinds.values())
    columns = ", ".join(
        f"{name}::jsonb" if kind == "jsonb" else f"{shown.get(name, name)} AS {name}"
        for name, kind in kinds.items()
    )
    return f"SELECT {columns} FROM unnest({arrays}) AS n({', '.join(kinds)})"  # noqa: S608 - constant names


def sqlite_select(kinds: Kinds) -> str:
    """A query for rows of these columns; `sqlite_parameters` fill it."""
    # `->` keeps JSON as JSON, `->>` makes SQL values.
    columns = ", ".join(
        f"value {'->' if kind == 'jsonb' else '->>'} {number} AS {name}"
        for number, (name, kind) in enumerate(kinds.items())
    )
    return f"SELECT {columns} FROM json_each(%s)"  # noqa: S608 - constant names


def postgres_parameters(rows: Sequence[Row], kinds: Kinds) -> list[str]:
    """One text per column; there must be a row."""
    columns = zip(*rows, strict=True)
    return [_array(values, _LITERALS[kind]) for values, kind in zip(columns, kinds.values(), strict=True)]


def sqlite_parameters(rows: Sequence[Row]) -> list[str]:
    return [json.dumps([[_plain(value) for value in row] for row in rows])]


def array(values: Sequence[Any], kind: str) -> str:
    """PostgreSQL's text of a column; that of documents is one document, which it reads faster than many texts."""
    if kind == "jsonb":
        return f"[{','.join(values)}]"
    return _array(tuple(values), _LITERALS[kind]) if values else "{}"


def scalar(value: Any, kind: str) -> str | None:
    """PostgreSQL's text of one value; of a document, which is a text already, itself."""
    if value is None:
        return None
    return f"{value}" if kind in ("text", "jsonb") else _LITERALS[kind](value)


def _array(values: tuple[Any, ...], literal: Callable[[Any], str]) -> str:
    """PostgreSQL's text of an array (its manual, section 8.15.6)."""
    first = values[0]
    # Most columns of a batch have one value. That of a document is not compared: {"a": 1} equals {"a": true}.
    number = len(values)
    if number == 1 or (not isinstance(first, (dict, list)) and values == (first,) * number):
        items = ["NULL" if first is None else literal(first)] * number
    else:
        items = ["NULL" if value is None else literal(value) for value in values]
    return "{" + ",".join(items) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _document(value: Any) -> str:
    if isinstance(value, JSONText):
        return _quoted(value)
    if value:
        return _quoted(dumps(value))
    return '"{}"' if isinstance(value, dict) else '"[]"'


def _key(value: UUID | str) -> str:
    return value if isinstance(value, str) else f"{value.int:032x}"


# A slice of a tick spells one moment in several columns.
_moment = lru_cache(maxsize=4096)(datetime.isoformat)

_LITERALS: dict[str, Callable[[Any], str]] = {
    "uuid": _key,
    "text": _quoted,
    "jsonb": _document,
    "smallint": str,
    "integer": str,
    "bigint": str,
    "double precision": repr,
    "timestamptz": _moment,
}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return sqlite_time(value)
    return json.loads(value) if isinstance(value, JSONText) else value


def in_utc(moment: datetime) -> datetime:
    """A time of a column as a statement of our own reads it: Django makes it of SQLite's text, without a zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def sqlite_time(moment: datetime) -> str:
    """A time as the ORM spells it for SQLite, which compares times as texts."""
    return str(moment.astimezone(UTC).replace(tzinfo=None))
