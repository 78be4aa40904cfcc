"""The statements on rows that wait: promote, expire, and which queues have work. For `store` only."""

import json
from datetime import datetime
from typing import Any

from tasks_app.arrays import in_utc
from tasks_app.sql import is_postgres, run, sqlite_now

# Locked rows are skipped, and one that somebody changed meanwhile is looked at anew before it is locked. The statuses
# are spelled as in the partial indexes: SQLite uses those for their own words only.
_PROMOTE = """
WITH due AS {materialized} (
    SELECT task_id FROM tasks_task
    WHERE status IN ('SCHEDULED', 'RETRY') AND run_at <= {now} AND (expires_at IS NULL OR expires_at > {now})
    ORDER BY run_at LIMIT %(limit)s {lock}
)
UPDATE tasks_task SET status = 'PENDING' WHERE task_id IN (SELECT task_id FROM due) RETURNING queue
"""
# A task that expires before it may start is never promoted: it must not hide those after it.
_NEXT_PROMOTION = """
SELECT run_at FROM tasks_task
WHERE status IN ('SCHEDULED', 'RETRY') AND run_at BETWEEN %(since)s AND %(until)s
    AND (expires_at IS NULL OR expires_at > run_at)
ORDER BY run_at LIMIT 1
"""
_EXPIRE = """
WITH due AS {materialized} (
    SELECT task_id FROM tasks_task
    WHERE status IN ('PENDING', 'RETRY', 'SCHEDULED') AND expires_at IS NOT NULL AND expires_at <= {now}
    ORDER BY expires_at LIMIT %(limit)s {lock}
)
UPDATE tasks_task SET status = 'EXPIRED', finished_at = {now}, error = {error}
WHERE task_id IN (SELECT task_id FROM due) RETURNING operation, queue
"""
# A loose index scan: one index descent per queue, however many rows wait in each.
_QUEUES = """
WITH RECURSIVE q(queue) AS (
    SELECT min(queue) FROM tasks_task WHERE status = 'PENDING'
    UNION ALL
    SELECT (SELECT min(t.queue) FROM tasks_task t WHERE t.status = 'PENDING' AND t.queue > q.queue)
    FROM q WHERE q.queue IS NOT NULL
) SELECT queue FROM q WHERE queue IS NOT NULL
"""


def promote(limit: int, now: datetime | None) -> list[str]:
    """Make waiting rows PENDING whose time has come; the queue of each."""
    return [row[0] for row in run(_PROMOTE, {"limit": limit}, now)]


def next_promotion(since: datetime, until: datetime) -> datetime | None:
    """The earliest time in a range at which a waiting row is to be promoted."""
    on_postgres = is_postgres()
    bounds = (since, until) if on_postgres else (sqlite_now(since), sqlite_now(until))
    rows = run(_NEXT_PROMOTION, dict(zip(("since", "until"), bounds, strict=True)), None)
    return in_utc(rows[0][0]) if rows else None


def expire(error: dict[str, Any], limit: int, now: datetime | None) -> list[tuple[str, str]]:
    """End waiting rows that may no longer start; operation and queue of each."""
    return [(row[0], row[1]) for row in run(_EXPIRE, {"limit": limit, "error": json.dumps(error)}, now)]


def queues_with_work() -> list[str]:
    """The queues in which at least one task is PENDING."""
    return [row[0] for row in run(_QUEUES, {}, None)]
