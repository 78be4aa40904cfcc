"""Whether the process lives, and whether the service is ready: database, broker, and how late work is.

`/health/live` touches nothing: an orchestrator restarts the process when it fails, and that would not mend a
database. `/health/ready` answers 503 when the database is out of reach, because then requests fail, and when the
service is `stalled`: due work has waited for longer than HEALTH_MAX_LAG_SECONDS, and in that time nothing claimed a
task, or nothing ticked. While workers do claim, or hold the lease of a task that takes long, such work makes it
`lagging`: they are too few. So does work that waits in a dedicated queue alone: the other workers may have nothing to
do, and one client's word must not take the API from all. Without its broker the service is `degraded`: tasks are
stored and run later. Both of these answer 200. Schedules with an alert are counted, and change nothing: their tasks
fail, not the service.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from schedules_app import queries as schedule_queries
from tasks_app import doorbell, queries, store

DATABASE_MILLISECONDS = 2000
"""PostgreSQL's time limit for each of the check's statements."""

BROKER_SECONDS = 3.0
"""How long the broker's answer is waited for; after that it counts as out of reach."""

# Without fresh statistics the planner reads and sorts what the statements only want the first rows of.
_PINNED = "; ".join(f"SET LOCAL enable_{node} = off" for node in ("seqscan", "bitmapscan", "sort"))

Check = dict[str, Any]

# The transports have time limits of their own, but one for each of several steps.
_broker_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="health-broker")


def readiness() -> tuple[str, dict[str, Check]]:
    """The service's status (`ok`, `lagging`, `degraded`, `stalled` or `unavailable`) and each check's own."""
    broker = _broker_threads.submit(doorbell.broker_is_reachable)
    checks = {**database_checks(), "broker": _broker_check(broker)}
    if checks["database"]["status"] != "ok":
        return "unavailable", checks
    of_work = {checks[name]["status"] for name in ("tasks", "schedules")}
    if "stalled" in of_work:
        return "stalled", checks
    if checks["broker"]["status"] != "ok":
        return "degraded", checks
    return ("ok" if of_work == {"ok"} else "lagging"), checks


def _broker_check(answer: Future[bool]) -> Check:
    try:
        is_reachable = answer.result(BROKER_SECONDS)
    except NotInTimeError:
        # One that still waits for a thread would keep later probes waiting, also when the broker is back.
        answer.cancel()
        is_reachable = False
    return {"status": "ok" if is_reachable else "unavailable"}


def database_checks() -> dict[str, Check]:
    """What the database says of itself, of the tasks and of the schedules."""
    unknown: Check = {"status": "unknown", "lag_seconds": None}
    checks: dict[str, Check] = {
        "database": {"status": "unavailable"},
        "tasks": {**unknown, "claim_age_seconds": None, "queues": []},
        "schedules": {**unknown, "tick_age_seconds": None, "alerts": None},
    }
    try:
        with bounded():
            now = store.database_now()
            checks["database"] = {"status": "ok"}
            checks["tasks"] = _tasks_check(now)
            checks["schedules"] = _schedules_check(now)
    except (DatabaseError, InterfaceError):
        # A lag that cannot be found in time is a late one, not a database that is out of reach.
        return checks
    return checks


def bounded() -> AbstractContextManager[Any]:
    """A transaction whose statements have DATABASE_MILLISECONDS each, and walk along indexes."""
    if connection.vendor != "postgresql":
        # SQLite: readers wait for nobody, and a transaction would take the one writer's lock.
        return nullcontext()
    return _BoundedTransaction()


class _BoundedTransaction(transaction.Atomic):
    def __init__(self) -> None:
        super().__init__(using=None, savepoint=True, durable=False)

    def __enter__(self) -> None:
        super().__enter__()
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {DATABASE_MILLISECONDS}; {_PINNED}")


def _tasks_check(now: datetime) -> Check:
    lag, claims = _age(now, queries.oldest_due_at()) or 0.0, queries.claims()
    nobody = not _is_at_work(now, claims)
    status = _status(
        lag, is_stalled=lambda: nobody and _is_late(_age(now, queries.waiting_since(_dedicated())))
    )
    claim_age, queues = _age(now, claims.latest_at), [] if status == "ok" else _late_queues(now)
    return {"status": status, "lag_seconds": lag, "claim_age_seconds": claim_age, "queues": queues}


def _is_at_work(now: datetime, claims: queries.Claims) -> bool:
    # Whose workers are all busy with what takes long is not to be taken out of service, nor in the moment between the
    # end of such a task and the next claim.
    is_held = claims.leased_until is not None and claims.leased_until > now
    return is_held or not all(_is_long_ago(_age(now, at)) for at in (claims.latest_at, claims.latest_end_at))


def _late_queues(now: datetime) -> list[str]:
    # Anybody may ask: no name that a client chose.
    return sorted(name for name, lag in queue_lags(now).items() if _is_late(lag))


def queue_lags(now: datetime) -> dict[str, float]:
    """How many seconds the oldest due task waits for each kind of workers: of the dedicated queues, and of `tasks`.

    The oldest of `tasks`, whose workers serve all other queues, may be one that was not promoted yet, of any queue.
    """
    found = queries.oldest_pending_at(_dedicated())
    lags = {name: _age(now, found.get(name)) or 0.0 for name in _dedicated()}
    return {**lags, doorbell.SHARED_QUEUE: _age(now, queries.oldest_due_at(_dedicated())) or 0.0}


def _dedicated() -> set[str]:
    return set(settings.CONFIG.dedicated_queues) - {doorbell.SHARED_QUEUE}


def _schedules_check(now: datetime) -> Check:
    lag, tick_age = (
        _age(now, schedule_queries.oldest_due_at()) or 0.0,
        _age(now, schedule_queries.latest_tick_at()),
    )
    nobody = _is_long_ago(tick_age)
    status = _status(lag, is_stalled=lambda: nobody and _is_late(_age(now, schedule_queries.waiting_since())))
    alerts = schedule_queries.count_alerts()
    return {"status": status, "lag_seconds": lag, "tick_age_seconds": tick_age, "alerts": alerts}


def _status(lag: float, is_stalled: Callable[[], bool]) -> str:
    if not _is_late(lag):
        return "ok"
    return "stalled" if is_stalled() else "lagging"


def _age(now: datetime, moment: datetime | None) -> float | None:
    return None if moment is None else round(max(0.0, (now - moment).total_seconds()), 3)


def _is_late(seconds: float | None) -> bool:
    return seconds is not None and seconds > settings.CONFIG.health_max_lag_seconds


def _is_long_ago(age: float | None) -> bool:
    """Whether something did not happen lately, or never."""
    return age is None or _is_late(age)
