"""Operations of migrations that alter tables of millions of rows, while a service of an older release uses them.

On PostgreSQL, what locks a table against its writers waits briefly for that lock and has it for milliseconds, and what
reads a whole table, an index, is built beside the writers. On SQLite, which has one writer at a time, they are
Django's own operations.

`Briefly` stands in a migration that is atomic, and alters one table only: with two, it could wait for a transaction
that waits for it. `BuildIndex`, `BuildUnique` and `DropUnique` stand in a migration with `atomic = False`, and each
does nothing where an earlier, interrupted `migrate` has come so far.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.db import OperationalError, migrations, transaction
from django.db.models import Index

logger = logging.getLogger(__name__)

LOCK_TIMEOUT = "2s"
"""How long a statement waits for its lock, since every later statement on that table waits behind it. Longer than
PostgreSQL's `deadlock_timeout` (one second), after which an autovacuum makes room."""
TRIES = 40
PAUSE_SECONDS = 5.0
"""Between two tries, for those who waited."""
LOCK_NOT_AVAILABLE = "55P03"


class LockNotFree(OperationalError):
    """A table was in use at every try to lock it."""


class Briefly(migrations.SeparateDatabaseAndState):
    """Run operations on one table in one short transaction, again and again until their lock is free.

    Raises LockNotFree after `TRIES`; nothing has changed then.
    """

    def __init__(self, *operations: Any) -> None:
        super().__init__(database_operations=operations, state_operations=operations)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__qualname__, list(self.database_operations), {}

    def describe(self) -> str:
        return "; ".join(operation.describe() for operation in self.database_operations)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        forwards = super().database_forwards
        _briefly(schema_editor, lambda: forwards(app_label, schema_editor, from_state, to_state))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        backwards = super().database_backwards
        _briefly(schema_editor, lambda: backwards(app_label, schema_editor, from_state, to_state))


class _BesideWriters:
    """What the operations below have in common, before that of Django which does the same on SQLite."""

    atomic = False
    adds = True
    model_name: str

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        forwards = super().database_forwards  # type: ignore[misc]
        self._change(self.adds, forwards, app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        backwards = super().database_backwards  # type: ignore[misc]
        self._change(not self.adds, backwards, app_label, schema_editor, from_state, to_state)

    def _named(self) -> str:
        raise NotImplementedError

    def _change(
        self, adds: bool, django: Callable[..., None], app: str, schema_editor: Any, before: Any, after: Any
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            model = (after if adds else before).apps.get_model(app, self.model_name)
            (_add if adds else _remove)(schema_editor, model, self._named())
            return
        with transaction.atomic(schema_editor.connection.alias):
            if _stands(schema_editor, self._named()) != adds:
                django(app, schema_editor, before, after)


class BuildIndex(_BesideWriters, migrations.AddIndex):
    """`AddIndex`, beside the writers."""

    def _named(self) -> str:
        return str(self.index.name)


class BuildUnique(_BesideWriters, migrations.AddConstraint):
    """`AddConstraint` of a UniqueConstraint by fields, beside the writers."""

    def _named(self) -> str:
        return str(self.constraint.name)


class DropUnique(_BesideWriters, migrations.RemoveConstraint):
    """`RemoveConstraint` of a UniqueConstraint by fields, beside the writers."""

    adds = False

    def _named(self) -> str:
        return str(self.name)


def _stands(schema_editor: Any, name: str) -> bool:
    """Whether SQLite has an index or a constraint of this name."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM sqlite_master WHERE instr(sql, %s) > 0", [schema_editor.quote_name(name)]
        )
        return cursor.fetchone() is not None


def _add(schema_editor: Any, model: Any, name: str) -> None:
    (added,) = (one for one in (*model._meta.indexes, *model._meta.constraints) if one.name == name)
    if isinstance(added, Index):
        _build(schema_editor, name, str(added.create_sql(model, schema_editor, concurrently=True)))
        return
    index = Index(fields=added.fields, name=name, condition=added.condition)
    sql = str(index.create_sql(model, schema_editor, concurrently=True))
    _build(schema_editor, name, sql.replace("CREATE INDEX", "CREATE UNIQUE INDEX", 1))
    # With a condition it is no more than an index, for Django and for PostgreSQL.
    if added.condition is None and not _is_constraint(schema_editor, name):
        quoted = schema_editor.quote_name(name)
        _alter(schema_editor, model, f"ADD CONSTRAINT {quoted} UNIQUE USING INDEX {quoted}")


def _remove(schema_editor: Any, model: Any, name: str) -> None:
    if _is_constraint(schema_editor, name):
        _alter(schema_editor, model, f"DROP CONSTRAINT {schema_editor.quote_name(name)}")
    else:
        _drop(schema_editor, name)


def _build(schema_editor: Any, name: str, sql: str) -> None:
    """Build an index, if there is none that is whole: one whose build was interrupted is never used, and stands in the
    way of its name."""
    is_valid = _ask(schema_editor, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", name)
    if is_valid:
        return
    if is_valid is not None:
        _drop(schema_editor, name)
    _patiently(schema_editor, sql)


def _drop(schema_editor: Any, name: str) -> None:
    _patiently(schema_editor, f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(name)}")


def _is_constraint(schema_editor: Any, name: str) -> bool:
    sql = "SELECT true FROM pg_constraint WHERE conindid = to_regclass(%s) AND contype = 'u'"
    return bool(_ask(schema_editor, sql, name))


def _ask(schema_editor: Any, sql: str, name: str) -> Any:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(sql, [schema_editor.quote_name(name)])
        row = cursor.fetchone()
    return row and row[0]


def _patiently(schema_editor: Any, sql: str) -> None:
    """Run what nobody waits for, however long it takes and waits itself: for the transactions before it to end."""
    schema_editor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
    try:
        schema_editor.execute(sql)
    finally:
        schema_editor.execute("RESET lock_timeout; RESET statement_timeout")


def _alter(schema_editor: Any, model: Any, change: str) -> None:
    table = schema_editor.quote_name(model._meta.db_table)
    _briefly(schema_editor, lambda: schema_editor.execute(f"ALTER TABLE {table} {change}"))


def _briefly(schema_editor: Any, change: Callable[[], None]) -> None:
    for _ in range(TRIES):
        try:
            with transaction.atomic(schema_editor.connection.alias):
                if schema_editor.connection.vendor == "postgresql":
                    schema_editor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                change()
                return
        except OperationalError as error:
            if getattr(error.__cause__, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            logger.warning("a table is in use, trying again in %s s: %s", PAUSE_SECONDS, str(error).strip())
        time.sleep(PAUSE_SECONDS)
    raise LockNotFree(
        f"A table was in use at each of {TRIES} tries to alter it, so it is as it was. The oldest transactions in "
        "pg_stat_activity (by xact_start) hold it: end them, or wait, and run migrate again."
    )
