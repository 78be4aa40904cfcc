"""What the database is asked for `/metrics`. The answer is kept for a moment, for all processes of the folder: two
Prometheus servers, or a web process each time another one, ask no more often than one.
"""

import fcntl
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import DatabaseError, InterfaceError
from prometheus_client.metrics_core import Metric as Family

from scheduler_service import health
from scheduler_service.metrics import catalog, counts, exposition
from scheduler_service.metrics.book import Key
from scheduler_service.metrics.catalog import Metric
from schedules_app import queries as schedule_queries
from tasks_app import store
from tasks_app.backlog import backlog
from tasks_app.lifecycle import TERMINAL, Status

logger = logging.getLogger(__name__)

KEPT_SECONDS = 3.0
FILE, LOCK = "gauges.json", "gauges.lock"

Values = dict[str, dict[Key, float]]
"""By the name of the metric and the values of its labels."""


def families() -> Iterator[Family]:
    """The gauges that the database answered; those that are not known have no value."""
    known = _kept(counts.folder(), ask)
    for metric in catalog.ASKED:
        yield exposition.gauge(metric, known.get(metric.name, {}))


def ask() -> Values:
    """Ask the database. Never raises; without an answer little is known."""
    try:
        checks = health.database_checks()
        if checks["database"]["status"] != "ok":
            return _values({catalog.DATABASE_UP: 0.0})
        return {**_of_checks(checks), **_of_tables()}
    except (DatabaseError, InterfaceError):
        logger.warning("The metrics lack what the database did not answer", exc_info=True)
        return _values({catalog.DATABASE_UP: 1.0})


def _of_checks(checks: dict[str, health.Check]) -> Values:
    tasks, schedules = checks["tasks"], checks["schedules"]
    return _values(
        {
            catalog.DATABASE_UP: 1.0,
            catalog.TASKS_LAG: tasks["lag_seconds"],
            catalog.CLAIM_AGE: tasks["claim_age_seconds"],
            catalog.SCHEDULES_LAG: schedules["lag_seconds"],
            catalog.TICK_AGE: schedules["tick_age_seconds"],
            catalog.SCHEDULES_ALERTING: schedules["alerts"],
        }
    )


def _of_tables() -> Values:
    with health.bounded():
        found, lags = backlog(), health.queue_lags(store.database_now())
        buffered = schedule_queries.count_buffered()
    unfinished = sorted(set(Status) - TERMINAL)
    return {
        catalog.TASKS_UNFINISHED.name: {key: float(number) for key, number in found.tasks.items()},
        catalog.TASKS_TRUNCATED.name: {(status,): float(status in found.truncated) for status in unfinished},
        catalog.QUEUE_LAG.name: {(queue,): lag for queue, lag in lags.items()},
        catalog.OCCURRENCES_BUFFERED.name: {(): float(buffered)},
    }


def _values(given: dict[Metric, float | None]) -> Values:
    return {metric.name: {(): float(value)} for metric, value in given.items() if value is not None}


def _kept(folder: Path | None, make: Callable[[], Values]) -> Values:
    if folder is None:
        return make()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder / LOCK):
            return _fresh(folder / FILE) or _written(folder / FILE, make())
    except OSError:
        logger.warning("What the database answered cannot be kept in %s", folder, exc_info=True)
        return make()


def _fresh(path: Path) -> Values | None:
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        if not 0 <= time.time() - kept["at"] < KEPT_SECONDS:
            return None
        return {name: {tuple(key): value for key, value in rows} for name, rows in kept["values"].items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _written(path: Path, values: Values) -> Values:
    rows = {name: list(found.items()) for name, found in values.items()}
    new = path.with_suffix(".part")
    new.write_text(json.dumps({"at": time.time(), "values": rows}))
    new.replace(path)
    return values


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
