"""The statements that the ORM cannot express, for PostgreSQL and SQLite.

`insertion` has those for new rows, `sweeps` those for rows that wait; only `store` calls them. Every statement takes
`now` (None: the database's clock) and returns plain tuples. Sets of rows travel as one JSON parameter, so that a
statement's text never depends on their number.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tasks_app import prepared
from tasks_app.arrays import sqlite_time

Row = tuple[Any, ...]

# Two locks: the head decides the one priority of this claim, so that no row of a lower urgency starts with it.
# The head's scan also stamps started_at: a scan that had to pass over rows locked by another claim is later than it,
# so started_at follows the priorities even between claims that overlap.
# A row that another worker is claiming is skipped, never waited for. A plain IN (… LIMIT …) may be evaluated
# twice under concurrent updates and claim twice; a materialized CTE is not.
# Behind other claims of one transaction a slow head is left, and so the head is not locked: another claim that passed
# over it meanwhile would start what is less urgent.
# No IS NOT NULL in the RETURNING: SQLite 3.40 says that everything is.
# A slow head stands alone: without a limit of its own the scan would go on to the end of the backlog.
_CLAIM = """
WITH head AS {materialized} (
    SELECT priority, operation, run_at, task_id, {stamp} AS stamp FROM tasks_task
    WHERE queue = %(queue)s AND status = 'PENDING' AND (expires_at IS NULL OR expires_at > {now})
    ORDER BY queue, priority, run_at, task_id LIMIT 1 {head_lock}
), slice AS {materialized} (
    SELECT t.task_id FROM tasks_task t
    WHERE t.queue = %(queue)s AND t.status = 'PENDING' AND (t.expires_at IS NULL OR t.expires_at > {now})
      AND t.priority = (SELECT priority FROM head)
      AND (t.task_id = (SELECT task_id FROM head) OR (
          {is_quick}
          AND (t.run_at, t.task_id) >= (SELECT run_at, task_id FROM head)
          AND NOT EXISTS (SELECT 1 FROM head WHERE {head_is_slow})))
    ORDER BY t.queue, t.priority, t.run_at, t.task_id
    LIMIT CASE WHEN EXISTS (SELECT 1 FROM head WHERE {head_is_slow}) THEN {slow_rows} ELSE %(limit)s END {lock}
)
UPDATE tasks_task SET
    status = 'STARTED', worker = %(worker)s, fence = fence + 1, attempt = attempt + 1, progress = NULL,
    started_at = (SELECT stamp FROM head), lease_expires_at = {lease}
WHERE task_id IN (SELECT task_id FROM slice)
RETURNING task_id, fence, queue, operation, arguments, attempt, max_attempts, timeout_seconds,
    retry_base_seconds, retry_cap_seconds, retry_backoff, {expires_in}, {others_wait},
    coalesce(callback_url, '') <> '', {waited}{order}
"""

# One statement for a worker's result and for a rescue. A rescue re-checks the lease: the worker may have
# renewed it after the rescuer looked.
_FINISH = """
UPDATE tasks_task AS t SET
    status = {next_status},
    result = g.result, error = g.error, lease_expires_at = NULL,
    crashes = t.crashes + CASE WHEN g.outcome = 'LOST' THEN 1 ELSE 0 END,
    run_at = CASE WHEN {next_status} = 'RETRY' THEN {retry_at} ELSE t.run_at END,
    finished_at = CASE WHEN {next_status} = 'RETRY' THEN NULL ELSE {now} END
FROM given g WHERE {mine} AND (g.outcome <> 'LOST' OR t.lease_expires_at < {now})
"""
_ATTEMPT = """
INSERT INTO tasks_attempt
    (task_id, number, fence, worker, started_at, finished_at, runtime_seconds, outcome, error)
SELECT t.task_id, t.attempt, t.fence, t.worker, t.started_at, {now}, t.runtime, t.outcome, t.error
FROM {source} AS t
"""
_RELEASE = """
UPDATE tasks_task AS t SET
    status = CASE WHEN t.cancel_requested_at IS NULL THEN 'PENDING' ELSE 'CANCELLED' END,
    finished_at = CASE WHEN t.cancel_requested_at IS NULL THEN NULL ELSE {now} END,
    attempt = t.attempt - 1, started_at = NULL, worker = '', lease_expires_at = NULL
FROM given g WHERE {mine} RETURNING {own_id}
"""
_HEARTBEAT = """
UPDATE tasks_task AS t SET lease_expires_at = {lease}
FROM given g WHERE {mine} RETURNING {own_id}
"""
_PROGRESS = """
UPDATE tasks_task AS t SET progress = {progress}
FROM given g WHERE {mine} RETURNING {own_id}
"""
_BEHIND = {"head_lock": "", "slow_rows": "0"}
_COMMON = {
    "slow_rows": "1",
    # Hiding the status from the planner keeps it from ANDing a bitmap of all STARTED rows into a lookup by key.
    "mine": "t.task_id = g.task_id AND coalesce(t.status, '') = 'STARTED' AND t.fence = g.fence",
    # The cancellation may have come after a rescuer looked: a lost attempt then ends as it would have with the look
    # after it. What a worker's own handler failed for good stays an ERROR.
    "next_status": """CASE WHEN t.cancel_requested_at IS NOT NULL AND (g.status = 'RETRY' OR g.outcome = 'LOST')
        THEN 'CANCELLED' ELSE g.status END""",
}
_ENDED = "t.task_id, t.attempt, t.fence, t.worker, t.started_at, g.runtime, g.outcome, g.error"
_POSTGRES = _COMMON | {
    "source": "ended",
    "materialized": "MATERIALIZED",
    "lock": "FOR UPDATE SKIP LOCKED",
    "head_lock": "FOR UPDATE SKIP LOCKED",
    "own_id": "t.task_id",
    "progress": "%(progress)s::jsonb",
    "error": "%(error)s::jsonb",
    "now": "coalesce(%(now)s::timestamptz, statement_timestamp())",
    "stamp": "coalesce(%(now)s::timestamptz, clock_timestamp())",
    "lease": "coalesce(%(now)s::timestamptz, clock_timestamp()) + %(lease)s * interval '1 second'",
    "retry_at": "coalesce(%(now)s::timestamptz, statement_timestamp()) + g.wait * interval '1 second'",
    "is_quick": "t.operation <> ALL(%(slow)s)",
    "head_is_slow": "operation = ANY(%(slow)s)",
    "others_wait": """(SELECT EXISTS (SELECT 1 FROM tasks_task o WHERE o.queue = %(queue)s AND o.status = 'PENDING'
        AND o.task_id NOT IN (SELECT task_id FROM slice)))""",
    "expires_in": "extract(epoch FROM expires_at - coalesce(%(now)s::timestamptz, statement_timestamp()))",
    # A number is read in a third of the time of a timestamp, and says the order of the rows as well: it is exact to the
    # microsecond, and all rows of a claim have the same started_at.
    "waited": "date_part('epoch', started_at - run_at)",
    "order": "",
    "given": """given AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(%(given)s::jsonb) AS g(task_id uuid, fence bigint, status text,
            outcome text, result jsonb, error jsonb, wait double precision, runtime double precision))""",
}
_SQLITE_TIME = "'%%Y-%%m-%%d %%H:%%M:%%f'"
_SQLITE = _COMMON | {
    "source": f"(SELECT {_ENDED} FROM tasks_task t JOIN given g ON g.task_id = t.task_id AND g.fence = t.fence)",  # noqa: S608 - constant text
    "materialized": "MATERIALIZED",
    "lock": "",
    "head_lock": "",
    "progress": "%(progress)s",
    "error": "%(error)s",
    "own_id": "task_id",  # SQLite's RETURNING knows no alias, and sees the updated table only
    "now": "%(now)s",
    "stamp": "%(now)s",
    "lease": f"strftime({_SQLITE_TIME}, %(now)s, printf('%%+.3f seconds', %(lease)s))",
    "retry_at": f"strftime({_SQLITE_TIME}, %(now)s, printf('%%+.3f seconds', g.wait))",
    "is_quick": "t.operation NOT IN (SELECT value FROM json_each(%(slow)s))",
    "head_is_slow": "operation IN (SELECT value FROM json_each(%(slow)s))",
    "others_wait": "NULL",  # a RETURNING that reads the updated table is undefined there
    "expires_in": "(julianday(expires_at) - julianday(%(now)s)) * 86400.0",
    "waited": "(julianday(started_at) - julianday(run_at)) * 86400.0",
    "order": ", run_at",  # julianday knows milliseconds
    "given": """given AS MATERIALIZED (
        SELECT value ->> '$.task_id' AS task_id, value ->> '$.fence' AS fence, value ->> '$.status' AS status,
            value ->> '$.outcome' AS outcome, nullif(value -> '$.result', 'null') AS result,
            nullif(value -> '$.error', 'null') AS error, value ->> '$.wait' AS wait,
            value ->> '$.runtime' AS runtime
        FROM json_each(%(given)s))""",
}


def claim(
    queue: str, worker: str, limit: int, lease: float, slow: Sequence[str], now: datetime | None
) -> list[Row]:
    """Claim the most urgent waiting rows of one priority: the head, and quick rows behind it up to `limit`."""
    parameters = {"queue": queue, "worker": worker, "limit": limit, "lease": lease}
    if is_postgres():
        rows = prepared.run([_claim_text()], {**parameters, "slow": list(slow), "now": now})
    else:
        with transaction.atomic():
            rows = run(_CLAIM, {**parameters, "slow": json.dumps(list(slow))}, now)
    return _in_order(rows)


def finish(given: Sequence[dict[str, Any]], now: datetime | None) -> set[UUID]:
    """End attempts and record them; the ids of those whose claim still held."""
    parameters = {"given": _payload(given)}
    if is_postgres():
        return _ids(prepared.run([_finish_text()], {**parameters, "now": now}))
    now = now or datetime.now(UTC)  # one moment for both statements
    with transaction.atomic():
        won = {row[0] for row in run("WITH {given} " + _FINISH + " RETURNING task_id", parameters, now)}
        parameters["given"] = _payload([item for item in given if item["task_id"].hex in won])
        run("WITH {given} " + _ATTEMPT, parameters, now)
    return {UUID(hex=key) for key in won}


def finish_and_claim(
    given: Sequence[dict[str, Any]],
    queue: str,
    worker: str,
    limit: int,
    lease: float,
    slow: Sequence[str],
    now: datetime | None,
) -> list[Row]:
    """`finish`, then `claim`, in one transaction; the rows that were claimed."""
    if is_postgres():
        parameters = {"given": _payload(given), "queue": queue, "worker": worker, "limit": limit, "now": now}
        # Whether to wake another is asked of a drain's first claim only.
        both = [_finish_text(), _claim_text(others_wait="NULL::boolean")]
        return _in_order(prepared.run(both, {**parameters, "lease": lease, "slow": list(slow)}))
    with transaction.atomic():
        finish(given, now)
        return claim(queue, worker, limit, lease, slow, now)


def claim_behind(
    queue: str, worker: str, limit: int, lease: float, slow: Sequence[str], now: datetime | None
) -> list[Row]:
    """`claim` once more in the transaction of another claim; nothing if what comes next is slow."""
    parameters = {"queue": queue, "worker": worker, "limit": limit, "lease": lease}
    if is_postgres():
        text = _claim_text(others_wait="NULL::boolean", **_BEHIND)
        # The settings of the first claim hold until the end of the transaction.
        return _in_order(prepared.run([text], {**parameters, "slow": list(slow), "now": now}, pinned=False))
    return _in_order(run(_CLAIM, {**parameters, "slow": json.dumps(list(slow))}, now, **_BEHIND))


def release(given: Sequence[dict[str, Any]], now: datetime | None) -> set[UUID]:
    """Give claimed rows back that were not begun, with their attempt; the fence stays raised."""
    return _ids(run("WITH {given} " + _RELEASE, {"given": _payload(given)}, now))


def heartbeat(given: Sequence[dict[str, Any]], lease: float, now: datetime | None) -> set[UUID]:
    """Renew leases; the ids of those that are still held."""
    return _ids(run("WITH {given} " + _HEARTBEAT, {"given": _payload(given), "lease": lease}, now))


def progress(given: Sequence[dict[str, Any]], value: Any) -> set[UUID]:
    """Write how far a running task has come; its id if the claim still holds."""
    parameters = {"given": _payload(given), "progress": json.dumps(value)}
    return _ids(run("WITH {given} " + _PROGRESS, parameters, None))


def clock() -> datetime:
    """The database's clock: one for all workers, so that leases don't depend on theirs."""
    if not is_postgres():
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def is_postgres() -> bool:
    """Whether the database is PostgreSQL; else it is SQLite."""
    return connection.vendor == "postgresql"


def run(template: str, parameters: dict[str, Any], now: datetime | None, **words: str) -> list[Row]:
    """Run a statement in which `words` and the database's own words are to be filled in."""
    on_postgres = is_postgres()
    statement = template.format(**(_POSTGRES if on_postgres else _SQLITE) | words)
    with connection.cursor() as cursor:
        cursor.execute(statement, {**parameters, "now": now if on_postgres else sqlite_now(now)})
        return cursor.fetchall() if cursor.description else []


def _claim_text(**words: str) -> str:
    return _postgres_text(_CLAIM, **words)


def _finish_text() -> str:
    # The attempts come from the update's answer: joining them to what was given would compare each with each.
    ended = "WITH {given}, ended AS (" + _FINISH + f" RETURNING {_ENDED}) "
    return _postgres_text(ended + _ATTEMPT + " RETURNING task_id")


@cache
def _postgres_text(template: str, **words: str) -> str:
    return template.format(**_POSTGRES | words)


def _in_order(rows: Iterable[Row]) -> list[Row]:
    if is_postgres():
        return sorted(rows, key=lambda row: (-row[-1], str(row[0])))
    return sorted(rows, key=lambda row: (row[-1], row[0]))


def sqlite_now(now: datetime | None) -> str:
    """A moment as SQLite keeps it; None: now."""
    # SQLite runs in this process, so its clock is this process's.
    return sqlite_time(now or datetime.now(UTC))


def _payload(given: Sequence[dict[str, Any]]) -> str:
    # Sorted by id: two statements that lock the same rows in different orders would deadlock.
    rows = sorted(given, key=lambda item: item["task_id"].int)
    return json.dumps([{**item, "task_id": item["task_id"].hex} for item in rows])


def _ids(rows: Sequence[Row]) -> set[UUID]:
    return {row[0] if isinstance(row[0], UUID) else UUID(hex=row[0]) for row in rows}
