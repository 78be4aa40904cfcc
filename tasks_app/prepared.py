"""Statements that PostgreSQL parses once per connection and plans once per second. Only `sql` and `insertion` call this
module.

Planning a claim takes as long as running it, and a drain of single rows plans nothing else all day.
"""

import re
import time
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2s
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from django.db import OperationalError, connection

Row = tuple[Any, ...]

TYPES = {
    "given": "jsonb",
    "lease": "double precision",
    "limit": "bigint",
    "now": "timestamptz",
    "queue": "text",
    "slow": "text[]",
    "worker": "text",
}
"""The types of parameters; of others, the statement says it itself (`%(name)s::uuid[]`)."""

PLANS_LAST = 1.0
"""Seconds after which plans are made anew: one for an almost empty table reads all of it, and soon that may be a
million rows."""

_AVOIDED = ("seqscan", "bitmapscan", "sort", "material", "hashjoin", "mergejoin")
# Missing statistics (of a table that was just filled) must not matter: without these the planner sorts the whole
# backlog, ANDs a bitmap of it, reads all of a small table to finish one row, or compiles. They hold for one transaction
# only.
PINNED = "; ".join(
    f"SET LOCAL {setting}"
    for setting in (
        *(f"enable_{node} = off" for node in _AVOIDED),
        "jit = off",
        "plan_cache_mode = force_generic_plan",
    )
)
UNKNOWN_NAME = "26000"
"""PostgreSQL's code for a prepared statement that the session does not have."""

_PARAMETER = re.compile(r"%\((\w+)\)s")
_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
_planned_at: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
_without: WeakSet[Any] = WeakSet()
"""Connections whose sessions forget what was prepared."""


def run(statements: Sequence[str], parameters: Mapping[str, Any], *, pinned: bool = True) -> list[Row]:
    """Run statements with named parameters in one round trip and one transaction; the rows of the last one.

    `pinned=False` is for statements that read no table: there is nothing to be planned wrongly.
    Outside a transaction, PostgreSQL makes one of all that is sent together, and commits it before it answers (its
    manual, 55.2.2.1).
    """
    # First, since a new connection has nothing prepared.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    if connection.connection in _without:
        return _rows([*([PINNED] if pinned else []), *statements], parameters)
    calls = [_call(statement) for statement in statements]
    for name, statement, _ in calls:
        _prepare(name, statement)
    try:
        settings = [*_discard(), PINNED] if pinned else []
        return _rows([*settings, *(text for _, _, text in calls)], parameters)
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) != UNKNOWN_NAME or connection.in_atomic_block:
            raise
    # A proxy hands out sessions, and this is another one. Nothing was written: all of it is one transaction.
    _without.add(connection.connection)
    return run(statements, parameters, pinned=pinned)


def _discard() -> list[str]:
    now = time.monotonic()
    if now - _planned_at.get(connection.connection, -PLANS_LAST) < PLANS_LAST:
        return []
    _planned_at[connection.connection] = now
    return ["DISCARD PLANS"]


def _rows(statements: Sequence[str], parameters: Mapping[str, Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute("; ".join(statements), parameters)
        rows: list[Row] = cursor.fetchall()
        return rows


def _prepare(name: str, statement: str) -> None:
    names = _prepared.setdefault(connection.connection, set())
    if name in names:
        return
    kinds = {key: f"${number}" for number, key in enumerate(_parameters(statement), 1)}
    types = ", ".join(TYPES.get(key, "unknown") for key in kinds)
    text = _PARAMETER.sub(lambda found: kinds[found[1]], statement)
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE {name} ({types}) AS {text}")
    names.add(name)


@cache
def _call(statement: str) -> tuple[str, str, str]:
    """The name of a statement, itself, and the text that executes it."""
    # The name says which text it stands for: a connection never runs another version's.
    name = f"tasks_{blake2s(statement.encode(), digest_size=8).hexdigest()}"
    arguments = ", ".join(f"%({key})s" for key in _parameters(statement))
    return name, statement, f"EXECUTE {name} ({arguments})"


def _parameters(statement: str) -> list[str]:
    return sorted(set(_PARAMETER.findall(statement)))
