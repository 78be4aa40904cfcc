"""What the database itself says: a trigger that writes down every change of a task, and the tables after a run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.history import AttemptRow, CallbackRow, Change, OccurrenceRow, Run, ScheduleRow, TaskRow

# In the same transaction as the change itself: what was rolled back leaves no trace here either.
INSTALL = """
CREATE TABLE chaos_change (
    number bigserial PRIMARY KEY, task_id uuid, at timestamptz, old text, new text, old_fence bigint,
    new_fence bigint, lost boolean, old_lease timestamptz, run_at timestamptz, expires_at timestamptz
);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE has_old boolean := TG_OP <> 'INSERT'; has_new boolean := TG_OP <> 'DELETE'; subject tasks_task;
BEGIN
    IF has_old AND has_new THEN
        -- Heartbeats and progress are no changes of state.
        IF OLD.status = NEW.status AND OLD.fence = NEW.fence AND OLD.finished_at IS NULL THEN RETURN NULL; END IF;
    END IF;
    IF has_new AND NOT has_old THEN subject := NEW; ELSE subject := OLD; END IF;
    INSERT INTO chaos_change (task_id, at, old, new, old_fence, new_fence, lost, old_lease, run_at, expires_at)
    VALUES (
        subject.task_id, clock_timestamp(),
        CASE WHEN has_old THEN OLD.status END, CASE WHEN has_new THEN NEW.status END,
        CASE WHEN has_old THEN OLD.fence ELSE 0 END, CASE WHEN has_new THEN NEW.fence ELSE 0 END,
        CASE WHEN has_old AND has_new THEN NEW.crashes > OLD.crashes ELSE false END,
        CASE WHEN has_old THEN OLD.lease_expires_at END,
        CASE WHEN has_new THEN NEW.run_at ELSE OLD.run_at END, subject.expires_at
    );
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OR DELETE ON tasks_task FOR EACH ROW EXECUTE FUNCTION chaos_note();
CREATE INDEX chaos_unfinished ON tasks_task (status) WHERE finished_at IS NULL;
"""

_TASKS = """
SELECT task_id::text, operation, status, attempt, max_attempts, extract(epoch FROM run_at)::float8 AS run_at,
    extract(epoch FROM created_at)::float8 AS created_at, extract(epoch FROM finished_at)::float8 AS finished_at,
    extract(epoch FROM expires_at)::float8 AS expires_at, result, arguments, tags,
    task_schedule::text, retry_of::text, callback_url
FROM tasks_task ORDER BY task_id
"""
_ATTEMPTS = "SELECT task_id::text, number, fence, outcome FROM tasks_attempt ORDER BY id"
_CALLBACKS = "SELECT task_id::text, number, delivery_task_id::text FROM tasks_callback ORDER BY id"
_CHANGES = """
SELECT task_id::text, extract(epoch FROM at)::float8 AS at, old, new, old_fence, new_fence, lost,
    extract(epoch FROM old_lease)::float8 AS old_lease, extract(epoch FROM run_at)::float8 AS run_at,
    extract(epoch FROM expires_at)::float8 AS expires_at
FROM chaos_change ORDER BY number
"""
_SCHEDULES = """
SELECT task_schedule_id::text AS schedule_id, name, extract(epoch FROM starts_at)::float8 AS starts_at,
    every_x_hours AS hours, schedule_x_times AS times, extract(epoch FROM ends_at)::float8 AS ends_at
FROM schedules_taskschedule ORDER BY created_at
"""
_OCCURRENCES = """
SELECT task_schedule_id::text AS schedule_id, extract(epoch FROM occurs_at)::float8 AS occurs_at, verdict,
    task_id::text, count
FROM schedules_occurrence ORDER BY id
"""


def _read(cursor: Any, statement: str) -> Iterator[dict[str, Any]]:
    cursor.execute(statement)
    names = [column.name for column in cursor.description]
    for row in cursor.fetchall():
        yield dict(zip(names, row, strict=True))


def tables(cursor: Any) -> dict[str, list[Any]]:
    """The tables as they are now, by the names of a History's fields."""
    return {
        "tasks": [TaskRow(**{**row, "tags": tuple(row["tags"])}) for row in _read(cursor, _TASKS)],
        "attempts": [AttemptRow(**row) for row in _read(cursor, _ATTEMPTS)],
        "callbacks": [CallbackRow(**row) for row in _read(cursor, _CALLBACKS)],
        "changes": [Change(**row) for row in _read(cursor, _CHANGES)],
        "schedules": [ScheduleRow(**row) for row in _read(cursor, _SCHEDULES)],
        "occurrences": [OccurrenceRow(**row) for row in _read(cursor, _OCCURRENCES)],
    }


def unfinished(cursor: Any) -> int:
    """How many tasks are not terminal yet, and how many ends are not told yet."""
    cursor.execute(
        "SELECT (SELECT count(*) FROM tasks_task WHERE finished_at IS NULL)"
        " + (SELECT count(*) FROM tasks_callback WHERE delivery_task_id IS NULL)"
    )
    return int(cursor.fetchone()[0])


def runs(folder: Path) -> list[Run]:
    """What the handlers wrote down, in the order of their begins."""
    begun: dict[tuple[str, str], dict[str, Any]] = {}
    for event in _events(folder):
        key = (event["task_id"], event["nonce"])
        if event["event"] == "begin":
            names = ("task_id", "attempt", "nonce", "pid")
            begun[key] = {name: event[name] for name in names} | {"begun": event["at"]}
        else:
            begun[key] |= {"ended": event["at"], "ok": event["ok"]}
    return sorted((Run(**values) for values in begun.values()), key=lambda run: run.begun)


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("runs-*.jsonl")):
        for line in path.read_text().splitlines():
            event = json.loads(line)
            if "nonce" in event:
                yield event
