"""Millions of rows in little time: copies of one that the service wrote, by SQL, with every column as it is."""

from bench.stage import Stage

SCHEDULES = """
INSERT INTO schedules_taskschedule SELECT copy.* FROM schedules_taskschedule seed,
    generate_series(1, {number}) n,
    LATERAL jsonb_populate_record(seed, jsonb_build_object(
        'task_schedule_id', gen_random_uuid(),
        'next_run_at', now() + interval '1 day' + n * interval '80 ms',
        'due_at', now() + interval '1 day' + n * interval '80 ms')) copy
"""
# Ids of long ago: they sort before those of tasks that are stored now, as older tasks' ids do.
OLD_ID = "lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000'"
OLD_TIME = "now() - interval '5 days' + n * interval '100 ms'"
TASKS = f"""
INSERT INTO tasks_task SELECT copy.* FROM (SELECT * FROM tasks_task LIMIT 1) one
    JOIN tasks_task seed USING (task_id),
    generate_series(1, {{number}}) n,
    LATERAL jsonb_populate_record(seed, jsonb_build_object(
        'task_id', {OLD_ID}, 'created_at', {OLD_TIME}, 'run_at', {OLD_TIME},
        'started_at', {OLD_TIME}, 'finished_at', {OLD_TIME})) copy
"""
ATTEMPTS = f"""
INSERT INTO tasks_attempt SELECT copy.* FROM (SELECT * FROM tasks_attempt LIMIT 1) one
    JOIN tasks_attempt seed USING (id),
    generate_series(1, {{number}}) n,
    LATERAL jsonb_populate_record(seed, jsonb_build_object(
        'id', 1000000 + n, 'task_id', {OLD_ID}, 'started_at', {OLD_TIME}, 'finished_at', {OLD_TIME})) copy
"""


def schedules(stage: Stage, number: int) -> None:
    """Copies of the one schedule there is, due from tomorrow on."""
    _run(stage, SCHEDULES.format(number=number))


def finished_tasks(stage: Stage, number: int) -> None:
    """Copies of a finished task and of its attempt."""
    _run(stage, TASKS.format(number=number))
    _run(stage, ATTEMPTS.format(number=number))


def _run(stage: Stage, statement: str) -> None:
    with stage.postgres.session() as cursor:
        cursor.execute(statement)
        if cursor.rowcount <= 0:
            raise RuntimeError("there was no row to copy")
