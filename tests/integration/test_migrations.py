"""Upgrades of a database that an older release goes on using, and ways back. They leave the test database as it was."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from scheduler_service.postgresql import operations
from schedules_app.store import calendars
from tasks_app import store
from tests.integration.helpers import claim, create, ending, new_task

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 30
RELEASED = [("tasks_app", "0003_unfinished_of_schedule"), ("schedules_app", "0002_policies_and_calendars")]
BEFORE_BUILDING = ("tasks_app", "0006_projects_of_idempotency_keys")
BUILDING = ("tasks_app", "0007_unique_in_projects")

POSTGRES_SCHEMA = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) || ' valid: ' || indisvalid
  FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT table_name || '.' || column_name, data_type || is_nullable || coalesce(column_default, '')
  FROM information_schema.columns WHERE table_schema = 'public'
"""
SQLITE_SCHEMA = "SELECT name, sql FROM sqlite_master"
ON_POSTGRES = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")


def schema() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(POSTGRES_SCHEMA if connection.vendor == "postgresql" else SQLITE_SCHEMA)
        return set(cursor.fetchall())


def migrate(*targets: tuple[str, str]) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets) or executor.loader.graph.leaf_nodes())


@pytest.fixture
def whole() -> Iterator[set[tuple[str, str]]]:
    """The schema with all migrations, which is there again when the test ends."""
    found = schema()
    yield found
    migrate()
    assert schema() == found


@contextmanager
def another_connection() -> Iterator[Any]:
    """A cursor of a connection that gives up where it must wait long for a lock."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
            yield cursor
    finally:
        other.close()


@contextmanager
def in_use(table: str, mode: str = "ROW EXCLUSIVE") -> Iterator[Callable[[], None]]:
    """A table with a transaction that has used it and stays open; what is given ends it."""
    with another_connection() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"LOCK TABLE {table} IN {mode} MODE")
        yield lambda: cursor.execute("ROLLBACK")


class Migrating:
    """An upgrade in a thread, which waits for a transaction."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.pid = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (self.pid,) = cursor.fetchone()
            self._ready.set()
            migrate(BUILDING)
        except BaseException as error:
            self.error = error
        finally:
            connection.close()

    def __enter__(self) -> "Migrating":
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        while not self._asks("SELECT cardinality(pg_blocking_pids(%s))"):
            assert self._thread.is_alive(), self.error
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join(PATIENCE)

    def _asks(self, sql: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql, [self.pid])
            return cursor.fetchone()[0]

    def statement(self) -> str:
        return str(self._asks("SELECT query FROM pg_stat_activity WHERE pid = %s"))

    def interrupt(self) -> None:
        assert self._asks("SELECT pg_cancel_backend(%s)")
        self._thread.join(PATIENCE)
        assert isinstance(self.error, OperationalError)


def test_a_downgrade_and_an_upgrade_leave_the_schema_as_it_was(whole):
    create()
    migrate(*RELEASED)
    names = {name for name, _ in schema()}
    assert names & {"task_unique_key", "tasks_task_terminal", "task_of_project", "tasks_task_ended"} == {
        "task_unique_key",
        "tasks_task_terminal",
    }
    migrate()
    assert schema() == whole
    assert [one.project_id for one in store.Task.objects.all()] == [1]


@pytest.mark.parametrize("target", RELEASED)
def test_a_downgrade_that_would_mix_the_rows_of_projects_is_refused(whole, target):
    create(new_task(project_id=2))
    calendars.create_calendar(calendars.NewCalendar(name="holidays", project_id=2))
    with pytest.raises(CommandError, match="other than the default one"):
        migrate(target)
    assert schema() == whole


@pytest.mark.parametrize("operation", range(5))
@pytest.mark.parametrize("direction", ["forwards", "backwards"])
def test_a_migration_that_was_interrupted_between_two_operations_goes_on(
    whole, monkeypatch, operation, direction
):
    begin, end = (BEFORE_BUILDING, BUILDING) if direction == "forwards" else (BUILDING, BEFORE_BUILDING)
    migrate(end)
    wanted = schema()
    migrate(begin)
    with monkeypatch.context() as patch:
        begin_to_fail(patch, after=operation)
        with pytest.raises(KeyboardInterrupt):
            migrate(end)
    migrate(end)
    assert schema() == wanted


def begin_to_fail(patch: pytest.MonkeyPatch, after: int) -> None:
    """Let some operations through and end the process, as it were, before the next one."""
    change = operations._BesideWriters._change
    calls = iter(range(100))

    def counted(self: Any, *args: Any) -> None:
        if next(calls) == after:
            raise KeyboardInterrupt
        change(self, *args)

    patch.setattr(operations._BesideWriters, "_change", counted)


@ON_POSTGRES
def test_tasks_are_created_claimed_and_finished_while_an_index_of_theirs_is_built(whole):
    migrate(BEFORE_BUILDING)
    with in_use("tasks_task") as let_go, Migrating() as building:
        assert building.statement().startswith('CREATE INDEX CONCURRENTLY "task_of_project" ON "tasks_task"')
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        (task_id,) = create()
        assert store.finish([ending(one) for one in claim()]) == {task_id}
        assert building.statement().startswith("CREATE INDEX CONCURRENTLY")
        let_go()
    assert building.error is None
    assert schema() == whole


@ON_POSTGRES
def test_an_index_whose_build_was_interrupted_is_built_by_the_next_migrate(whole):
    migrate(BEFORE_BUILDING)
    with in_use("tasks_task"), Migrating() as building:
        building.interrupt()
    assert [name for name, definition in schema() if definition.endswith("valid: false")] == [
        "task_of_project"
    ]
    migrate()
    assert schema() == whole


@ON_POSTGRES
def test_keys_are_unique_while_the_index_of_the_new_ones_is_built(whole):
    migrate(BEFORE_BUILDING)
    seen = []
    patched = operations._patiently

    def watch(schema_editor: Any, sql: str) -> None:
        patched(schema_editor, sql)
        seen.append({name for name, definition in schema() if definition.endswith("valid: true")})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "_patiently", watch)
        migrate()
    keys = [{"task_unique_key", "task_unique_key_of_project"} & names for names in seen]
    assert all(keys)
    assert keys[-1] == {"task_unique_key_of_project"}


@ON_POSTGRES
@pytest.mark.parametrize(
    ("begin", "end", "table", "mode"),
    [
        (RELEASED[0], "0004_projects_and_batches", "tasks_task", "ACCESS SHARE"),
        (("tasks_app", "0004_projects_and_batches"), "0005_callbacks", "tasks_task", "ROW EXCLUSIVE"),
        (("tasks_app", "0005_callbacks"), BEFORE_BUILDING[1], "tasks_idempotencykey", "ACCESS SHARE"),
        (BEFORE_BUILDING, BUILDING[1], "tasks_idempotencykey", "ACCESS SHARE"),
        (RELEASED[1], "0003_projects", "schedules_taskschedule", "ACCESS SHARE"),
        (("schedules_app", "0003_projects"), "0004_callback_url", "schedules_taskschedule", "ACCESS SHARE"),
        (
            ("schedules_app", "0004_callback_url"),
            "0005_projects_of_calendars",
            "schedules_calendar",
            "ACCESS SHARE",
        ),
    ],
)
def test_what_waits_for_a_lock_makes_room_for_others_and_tries_again(
    whole, monkeypatch, begin, end, table, mode
):
    migrate(begin)
    let_through = []
    with in_use(table, mode) as let_go:

        def pause(seconds: float) -> None:
            with another_connection() as cursor:
                cursor.execute(f"UPDATE {table} SET created_at = created_at")
            let_through.append(seconds)
            let_go()

        monkeypatch.setattr(operations, "LOCK_TIMEOUT", "50ms")
        monkeypatch.setattr(operations, "time", SimpleNamespace(sleep=pause))
        migrate((begin[0], end))
    assert let_through[:1] == [operations.PAUSE_SECONDS]
    migrate()
    assert schema() == whole


@ON_POSTGRES
def test_a_table_that_is_always_in_use_is_left_as_it_is_and_the_error_says_what_to_do(whole, monkeypatch):
    migrate(RELEASED[0])
    before = schema()
    monkeypatch.setattr(operations, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(operations, "TRIES", 3)
    monkeypatch.setattr(operations, "time", SimpleNamespace(sleep=lambda seconds: None))
    with (
        in_use("tasks_task"),
        pytest.raises(operations.LockNotFree, match=r"each of 3 tries.*pg_stat_activity"),
    ):
        migrate()
    assert schema() == before


@ON_POSTGRES
def test_a_build_is_not_cut_short_by_a_time_limit_on_statements():
    with connection.schema_editor(atomic=False) as schema_editor:
        schema_editor.execute("SET statement_timeout = '20ms'")
        operations._patiently(schema_editor, "SELECT pg_sleep(0.1)")
