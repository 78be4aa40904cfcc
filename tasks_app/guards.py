"""Two triggers on the task table, for whoever writes it.

One only refuses: a terminal task never changes again. The other notes the end of a task with a `callback_url` in the
transaction that ends it.

Installed by migrations. On SQLite, Django alters a table by making it anew, which drops its triggers: a later
migration that alters the task table must call both `install`s again (a test checks that the triggers are there).
"""

from typing import Any

from tasks_app.lifecycle import TERMINAL

_TERMINAL = ", ".join(f"'{status}'" for status in sorted(TERMINAL))
MESSAGE = "a terminal task never changes"

_POSTGRES = f"""
CREATE OR REPLACE FUNCTION tasks_task_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE OR REPLACE TRIGGER tasks_task_terminal BEFORE UPDATE ON tasks_task
FOR EACH ROW WHEN (OLD.status IN ({_TERMINAL})) EXECUTE FUNCTION tasks_task_refuse();
"""
_SQLITE = f"""
CREATE TRIGGER IF NOT EXISTS tasks_task_terminal BEFORE UPDATE ON tasks_task
FOR EACH ROW WHEN OLD.status IN ({_TERMINAL})
BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END;
"""


def install(apps: Any, schema_editor: Any) -> None:
    """Create the trigger where it is missing (a migration operation's `code`)."""
    is_postgres = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(_POSTGRES if is_postgres else _SQLITE)


def remove(apps: Any, schema_editor: Any) -> None:
    """Drop the trigger (the reverse of `install`)."""
    on_table = " ON tasks_task" if schema_editor.connection.vendor == "postgresql" else ""
    schema_editor.execute(f"DROP TRIGGER IF EXISTS tasks_task_terminal{on_table}")


# Whatever ends a task sets `finished_at` (a constraint holds that), so that a claim never asks the condition. BEFORE,
# since PostgreSQL would read each row once more for a trigger that comes after it.
_ENDED = """
CREATE {or_replace} TRIGGER {if_missing} tasks_task_ended BEFORE UPDATE OF finished_at ON tasks_task
FOR EACH ROW WHEN {condition}
"""
_CONDITION = "NEW.callback_url IS NOT NULL AND NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL"
_NOTE = """
INSERT INTO tasks_callback (task_id, number, project_id, ended_at)
VALUES (NEW.task_id, 0, NEW.project_id, NEW.finished_at);
"""
_POSTGRES_CALLBACK = f"""
CREATE OR REPLACE FUNCTION tasks_task_note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {_NOTE} RETURN NEW; END $$;
{_ENDED.format(or_replace="OR REPLACE", if_missing="", condition=f"({_CONDITION})")}
EXECUTE FUNCTION tasks_task_note_end();
"""
_SQLITE_CALLBACK = f"""
{_ENDED.format(or_replace="", if_missing="IF NOT EXISTS", condition=_CONDITION)}
BEGIN {_NOTE} END;
"""


def install_callbacks(apps: Any, schema_editor: Any) -> None:
    """Create the trigger that notes the end of tasks with a `callback_url`, where it is missing."""
    is_postgres = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(_POSTGRES_CALLBACK if is_postgres else _SQLITE_CALLBACK)


def remove_callbacks(apps: Any, schema_editor: Any) -> None:
    """Drop that trigger (the reverse of `install_callbacks`)."""
    is_postgres = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(f"DROP TRIGGER IF EXISTS tasks_task_ended{' ON tasks_task' if is_postgres else ''}")
    if is_postgres:
        schema_editor.execute("DROP FUNCTION IF EXISTS tasks_task_note_end()")
