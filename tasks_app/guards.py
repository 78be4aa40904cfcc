"""A trigger that only refuses: a terminal task never changes again, whoever writes.

Installed by a migration. On SQLite, Django alters a table by making it anew, which drops its triggers: a later
migration that alters the task table must call `install` again (a test checks that the guard is there).
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
