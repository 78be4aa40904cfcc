"""Every metric: its name, kind, labels and meaning. `docs/operations.md` is held to this list by a test.

Labels are bounded: an operation is one that was registered, `arithmetic` or `unknown`; of queues, whose names clients
choose, so many have a name of their own (`names.MOST_NAMES`) and the rest is `other`; a route is a pattern of the
address space.
"""

from dataclasses import dataclass
from typing import Literal

PREFIX = "scheduler_"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric. `name` is as it is exposed, without a histogram's suffixes."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds, without the last one, +Inf."""

    @property
    def family(self) -> str:
        """The name that prometheus_client wants, which adds the suffix of its kind."""
        return self.name.removesuffix("_total").removesuffix("_info")


_WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_RUNS = (
    0.001,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    900.0,
    3600.0,
)
_ANSWERS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

TASKS_CREATED = Metric(
    name="scheduler_tasks_created_total",
    kind="counter",
    help="Tasks that were stored, by the status that they began with.",
    labels=("operation", "queue", "status"),
)
TASKS_FINISHED = Metric(
    name="scheduler_tasks_finished_total",
    kind="counter",
    help="Tasks that ended, by their terminal status.",
    labels=("operation", "queue", "status"),
)
TASK_WAIT = Metric(
    name="scheduler_task_wait_seconds",
    kind="histogram",
    help="From a task's run_at until its claim, by the database's clock, of each attempt that ended.",
    labels=("queue",),
    buckets=_WAITS,
)
TASK_RUN = Metric(
    name="scheduler_task_run_seconds",
    kind="histogram",
    help="How long a handler ran, of each attempt that ended.",
    labels=("operation",),
    buckets=_RUNS,
)
ATTEMPTS = Metric(
    name="scheduler_attempts_total",
    kind="counter",
    help="Attempts that ended, by their outcome.",
    labels=("operation", "outcome"),
)
LEASES_EXPIRED = Metric(
    name="scheduler_leases_expired_total",
    kind="counter",
    help="Leases that were found to have run out.",
)
TASKS_RESCUED = Metric(
    name="scheduler_tasks_rescued_total",
    kind="counter",
    help="Tasks that were taken from workers that vanished.",
)
RINGS = Metric(
    name="scheduler_rings_total",
    kind="counter",
    help="Messages to the broker: sent; full: enough wait; failed; held_back: not tried, a moment after a failure.",
    labels=("result",),
)
FLOWER_LEFT_OUT = Metric(
    name="scheduler_flower_tasks_left_out_total",
    kind="counter",
    help="Tasks that ended and that Flower was not told of.",
)
OCCURRENCES = Metric(
    name="scheduler_occurrences_total",
    kind="counter",
    help="Occurrences of schedules that were decided on, by verdict; those that gave no task, by the reason.",
    labels=("verdict", "reason"),
)
HTTP_REQUESTS = Metric(
    name="scheduler_http_request_duration_seconds",
    kind="histogram",
    help="From the request to the answer, by the pattern of the address and the class of the status.",
    labels=("method", "route", "status"),
    buckets=_ANSWERS,
)
HTTP_IN_FLIGHT = Metric(
    name="scheduler_http_requests_in_flight",
    kind="gauge",
    help="Requests that are being answered.",
)
PROCESSES = Metric(
    name="scheduler_metrics_processes",
    kind="gauge",
    help="Processes of this folder that have counted something and live.",
)
BUILD = Metric(
    name="scheduler_build_info",
    kind="info",
    help="What runs; the value is 1.",
    labels=("version", "python", "django", "celery", "database"),
)

DATABASE_UP = Metric(
    name="scheduler_database_up",
    kind="gauge",
    help="1 if the database answered; if not, the gauges that are read from it are missing.",
)
TASKS_UNFINISHED = Metric(
    name="scheduler_tasks_unfinished",
    kind="gauge",
    help="Tasks that wait or run; at least so many, where scheduler_tasks_unfinished_truncated is 1.",
    labels=("status", "queue", "operation"),
)
TASKS_TRUNCATED = Metric(
    name="scheduler_tasks_unfinished_truncated",
    kind="gauge",
    help="1 if not all tasks of the status were counted, because they are too many.",
    labels=("status",),
)
TASKS_LAG = Metric(
    name="scheduler_tasks_lag_seconds",
    kind="gauge",
    help="How long the oldest due task has waited, since its run_at.",
)
QUEUE_LAG = Metric(
    name="scheduler_tasks_queue_lag_seconds",
    kind="gauge",
    help="How long the oldest due task has waited, of each queue in DEDICATED_QUEUES; of `tasks`: all others.",
    labels=("queue",),
)
CLAIM_AGE = Metric(
    name="scheduler_tasks_claim_age_seconds",
    kind="gauge",
    help="How long ago a task was claimed last; missing if none ever was.",
)
SCHEDULES_LAG = Metric(
    name="scheduler_schedules_lag_seconds",
    kind="gauge",
    help="How long the oldest due occurrence has waited for a tick.",
)
TICK_AGE = Metric(
    name="scheduler_schedules_tick_age_seconds",
    kind="gauge",
    help="How long ago a tick decided on an occurrence; missing if the ledger knows of none.",
)
SCHEDULES_ALERTING = Metric(
    name="scheduler_schedules_alerting",
    kind="gauge",
    help="Schedules with an alert, counted as far as 1000.",
)
OCCURRENCES_BUFFERED = Metric(
    name="scheduler_occurrences_buffered",
    kind="gauge",
    help="Occurrences that wait for the end of a task of their schedule, of 1000 schedules at most.",
)

COUNTED = (
    TASKS_CREATED,
    TASKS_FINISHED,
    TASK_WAIT,
    TASK_RUN,
    ATTEMPTS,
    LEASES_EXPIRED,
    TASKS_RESCUED,
    RINGS,
    FLOWER_LEFT_OUT,
    OCCURRENCES,
    HTTP_REQUESTS,
    HTTP_IN_FLIGHT,
)
"""What processes count; the folder has the sums."""
ASKED = (
    DATABASE_UP,
    TASKS_UNFINISHED,
    TASKS_TRUNCATED,
    TASKS_LAG,
    QUEUE_LAG,
    CLAIM_AGE,
    SCHEDULES_LAG,
    TICK_AGE,
    SCHEDULES_ALERTING,
    OCCURRENCES_BUFFERED,
)
"""What the database is asked for, by `/metrics` alone."""
ALL = (*COUNTED, PROCESSES, BUILD, *ASKED)
