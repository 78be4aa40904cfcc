"""Millions of rows in little time: copies of one that the service wrote, by SQL, with every column as it is."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from bench.stage import Stage

TASKS, ATTEMPTS, SCHEDULES = "tasks_task", "tasks_attempt", "schedules_taskschedule"
HANDS = 2
"""Connections that insert at once; each keeps a core busy."""
# Ids of long ago: they sort before those of tasks that are stored now, as older tasks' ids do.
OLD_ID = "(lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid"
OLD_TIME = "now() - interval '5 days' + n * (interval '4 days' / {number})"
TOMORROW = "now() + interval '1 day' + n * interval '80 ms'"
INDEXES = """
SELECT i.indexrelid::regclass, pg_get_indexdef(i.indexrelid), c.conname, pg_get_constraintdef(c.oid)
FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
WHERE i.indrelid = %s::regclass
    -- What a foreign key of another table leans on stays.
    AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.conindid = i.indexrelid AND f.contype = 'f')
"""
COLUMNS = """
SELECT quote_ident(attname) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def schedules(stage: Stage, number: int) -> None:
    """Copies of the one schedule there is, due from tomorrow on."""
    changed = {"task_schedule_id": "gen_random_uuid()", "next_run_at": TOMORROW, "due_at": TOMORROW}
    _copy(stage, SCHEDULES, number, changed)


def finished_tasks(stage: Stage, number: int) -> None:
    """Copies of a finished task and of its attempt."""
    times = dict.fromkeys(("started_at", "finished_at"), OLD_TIME.format(number=max(1, number)))
    asked = dict.fromkeys(("created_at", "run_at"), times["started_at"])
    _copy(stage, TASKS, number, {"task_id": OLD_ID, **asked, **times})
    _copy(stage, ATTEMPTS, number, {"id": "1000000 + n", "task_id": OLD_ID, **times})


def _copy(stage: Stage, table: str, number: int, changed: Mapping[str, str]) -> None:
    """Copy the one row there is; its indexes are made behind the rows, which is several times quicker."""
    if number < 1:
        return
    with stage.postgres.session() as cursor:
        again = _drop_indexes(cursor, table)
        statement = _statement(cursor, table, changed)
        with ThreadPoolExecutor(HANDS) as hands:
            # list: what one of them has raised is raised here
            list(hands.map(lambda part: _insert(stage, statement, part), _parts(number)))
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for statement in again:
            cursor.execute(statement)


def _drop_indexes(cursor: Any, table: str) -> list[str]:
    """Drop all of them; what makes them again."""
    cursor.execute(INDEXES, (table,))
    again = []
    for index, definition, constraint, rule in cursor.fetchall():
        if constraint:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {rule}")
        else:
            cursor.execute(f"DROP INDEX {index}")
            again.append(definition)
    return again


def _statement(cursor: Any, table: str, changed: Mapping[str, str]) -> str:
    cursor.execute(COLUMNS, (table,))
    names = [name for (name,) in cursor.fetchall()]
    values = ", ".join(changed.get(name, f"seed.{name}") for name in names)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} "
        f"FROM (SELECT * FROM {table} LIMIT 1) seed, generate_series(%s, %s) n"
    )


def _parts(number: int) -> list[tuple[int, int]]:
    """The first and the last number of each hand; the parts join without a gap."""
    ends = [number * hand // HANDS for hand in range(HANDS + 1)]
    return [(begin + 1, end) for begin, end in pairwise(ends) if end > begin]


def _insert(stage: Stage, statement: str, part: tuple[int, int]) -> None:
    with stage.postgres.session() as cursor:
        cursor.execute(statement, part)
        if cursor.rowcount <= 0:
            raise RuntimeError("there was no row to copy")
