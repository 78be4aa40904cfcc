"""How many tasks wait and run, by status, queue and operation: a count that costs the same however many there are."""

from collections import Counter
from typing import Any, NamedTuple

from django.db import connection

from tasks_app.lifecycle import Status
from tasks_app.metering import AN_EXPRESSION, operation_label, queue_label

MOST_COUNTED = 20_000
"""So many tasks are looked at for each of: PENDING, STARTED, and SCHEDULED with RETRY."""
MOST_QUEUES = 100
"""So many queues are looked at, each of them as far as its share of MOST_COUNTED, and LEAST_SHARE at least."""
LEAST_SHARE = 200

# Expressions are as many as there are tasks: they are one kind already here.
_KIND = {
    "postgresql": f"CASE WHEN operation ~ '^[A-Za-z]' THEN operation ELSE '{AN_EXPRESSION}' END",
    "sqlite": f"CASE WHEN operation GLOB '[A-Za-z]*' THEN operation ELSE '{AN_EXPRESSION}' END",
}
# The statuses are spelled as in the partial indexes, whose orders these follow.
_QUEUES = """
WITH RECURSIVE q(queue) AS (
    SELECT min(queue) FROM tasks_task WHERE status = 'PENDING'
    UNION ALL
    SELECT (SELECT min(t.queue) FROM tasks_task t WHERE t.status = 'PENDING' AND t.queue > q.queue)
    FROM q WHERE q.queue IS NOT NULL
) SELECT queue FROM q WHERE queue IS NOT NULL LIMIT %s
"""
_PENDING = """
SELECT 'PENDING', queue, kind, count(*) FROM (
    SELECT queue, {kind} AS kind FROM tasks_task WHERE status = 'PENDING' AND queue = %s
    ORDER BY queue, priority, run_at, task_id LIMIT %s
) AS found GROUP BY queue, kind
"""
_STARTED = """
SELECT 'STARTED', queue, kind, count(*) FROM (
    SELECT queue, {kind} AS kind FROM tasks_task WHERE status = 'STARTED' ORDER BY task_id LIMIT %s
) AS found GROUP BY queue, kind
"""
_LATER = """
SELECT status, queue, kind, count(*) FROM (
    SELECT status, queue, {kind} AS kind FROM tasks_task WHERE status IN ('SCHEDULED', 'RETRY') ORDER BY run_at LIMIT %s
) AS found GROUP BY status, queue, kind
"""

Row = tuple[str, str, str, int]


class Backlog(NamedTuple):
    """Unfinished tasks, and of which statuses there are more."""

    tasks: dict[tuple[str, str, str], int]
    """By status, queue and operation, as the labels of metrics name these."""
    truncated: set[str]


def backlog() -> Backlog:
    """Count the unfinished tasks, as far as the limits allow."""
    pending, is_truncated = _pending()
    started = _rows(_STARTED, MOST_COUNTED)
    later = _rows(_LATER, MOST_COUNTED)
    truncated = {str(Status.PENDING)} if is_truncated else set()
    if _size(started) >= MOST_COUNTED:
        truncated.add(Status.STARTED)
    if _size(later) >= MOST_COUNTED:
        truncated |= {Status.SCHEDULED, Status.RETRY}
    tasks = Counter[tuple[str, str, str]]()
    for status, queue, kind, number in (*pending, *started, *later):
        tasks[(status, queue_label(queue), operation_label(kind))] += number
    return Backlog(dict(tasks), truncated)


def _pending() -> tuple[list[Row], bool]:
    queues = [row[0] for row in _rows(_QUEUES, MOST_QUEUES + 1)]
    looked_at = queues[:MOST_QUEUES]
    share = max(LEAST_SHARE, MOST_COUNTED // max(1, len(looked_at)))
    found = [_rows(_PENDING, queue, share) for queue in looked_at]
    is_truncated = len(queues) > MOST_QUEUES or any(_size(rows) >= share for rows in found)
    return [row for rows in found for row in rows], is_truncated


def _size(rows: list[Row]) -> int:
    return sum(row[3] for row in rows)


def _rows(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement.format(kind=_KIND[connection.vendor]), parameters)
        rows: list[Any] = cursor.fetchall()
    return rows
