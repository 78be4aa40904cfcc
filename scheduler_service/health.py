"""Whether the process lives, and whether the service is ready: database, broker, and how late work is.

`/health/live` touches nothing: an orchestrator restarts the process when it fails, and that would not mend a
database. `/health/ready` answers 503 when the database is out of reach, because then requests fail, and when the
service is `stalled`: due work has waited for longer than HEALTH_MAX_LAG_SECONDS, and in that time nothing claimed a
task, or nothing ticked. While workers do claim, or hold the lease of a task that takes long, such work makes it
`lagging`: they are too few. Without its broker the service is `degraded`: tasks are stored and run later. Both of
these answer 200. Schedules with an alert are counted, and change nothing: their tasks fail, not the service.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from drf_yasg.utils import swagger_auto_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from scheduler_service.swagger import answer
from schedules_app import queries as schedule_queries
from tasks_app import doorbell, queries, store

DATABASE_MILLISECONDS = 2000
"""PostgreSQL's time limit for each of the check's statements."""

BROKER_SECONDS = 3.0
"""How long the broker's answer is waited for; after that it counts as out of reach."""

# Without fresh statistics the planner reads and sorts what the statements only want the first rows of.
_PINNED = "; ".join(f"SET LOCAL enable_{node} = off" for node in ("seqscan", "bitmapscan", "sort"))

NOT_READY = ("stalled", "unavailable")
"""The statuses that answer 503."""

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
        "tasks": {**unknown, "claim_age_seconds": None},
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
    claim_age = _age(now, claims.latest_at)
    # Whose workers are all busy with what takes long is not to be taken out of service.
    is_held = claims.leased_until is not None and claims.leased_until > now
    nobody = not is_held and _is_long_ago(claim_age)
    status = _status(lag, is_stalled=lambda: nobody and _is_late(_age(now, queries.waiting_since())))
    return {"status": status, "lag_seconds": lag, "claim_age_seconds": claim_age}


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


class LiveSerializer(serializers.Serializer):
    """The process answers."""

    status = serializers.ChoiceField(["ok"])

    class Meta:
        ref_name = "Live"


class CheckSerializer(serializers.Serializer):
    """One part of the service."""

    status = serializers.ChoiceField(["ok", "lagging", "stalled", "unknown", "unavailable"])
    lag_seconds = serializers.FloatField(
        required=False, allow_null=True, help_text="How long the oldest due work has waited."
    )

    class Meta:
        ref_name = "Check"


class TaskCheckSerializer(CheckSerializer):
    """The part that runs tasks."""

    claim_age_seconds = serializers.FloatField(
        allow_null=True, help_text="How long ago a task was claimed last; null if none ever was."
    )

    class Meta:
        ref_name = "TaskCheck"


class ScheduleCheckSerializer(CheckSerializer):
    """The part that fires schedules."""

    tick_age_seconds = serializers.FloatField(
        allow_null=True,
        help_text="How long ago a tick last decided on an occurrence; null if the ledger knows of none.",
    )
    alerts = serializers.IntegerField(
        allow_null=True,
        help_text="How many schedules have an alert, counted as far as 1000; it does not change the status.",
    )

    class Meta:
        ref_name = "ScheduleCheck"


class ChecksSerializer(serializers.Serializer):
    """All parts of the service."""

    database = CheckSerializer()
    tasks = TaskCheckSerializer()
    schedules = ScheduleCheckSerializer()
    broker = CheckSerializer()

    class Meta:
        ref_name = "Checks"


class ReadySerializer(serializers.Serializer):
    """Whether the service is ready, and which part is not."""

    status = serializers.ChoiceField(["ok", "lagging", "degraded", "stalled", "unavailable"])
    checks = ChecksSerializer()

    class Meta:
        ref_name = "Ready"


def _example(status: str, *, database: str = "ok", lag: str = "ok") -> dict[str, Any]:
    work = {"status": lag, "lag_seconds": 0.0 if lag == "ok" else None}
    return {
        "status": status,
        "checks": {
            "database": {"status": database},
            "tasks": {**work, "claim_age_seconds": 0.4 if lag == "ok" else None},
            "schedules": {
                **work,
                "tick_age_seconds": 12.5 if lag == "ok" else None,
                "alerts": 0 if lag == "ok" else None,
            },
            "broker": {"status": "ok"},
        },
    }


class LiveView(APIView):
    """Whether this process answers."""

    # Probes have no key.
    authentication_classes: list[type[BaseAuthentication]] = []
    permission_classes: list[type[BasePermission]] = []

    @swagger_auto_schema(
        operation_id="health_live",
        operation_summary="Is the process alive?",
        operation_description="Touches neither database nor broker.",
        responses={200: answer("It is.", LiveSerializer, {"status": "ok"}), 400: None, 503: None},
        tags=["health"],
    )
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class ReadyView(APIView):
    """Whether the service can take requests."""

    # Probes have no key.
    authentication_classes: list[type[BaseAuthentication]] = []
    permission_classes: list[type[BasePermission]] = []

    @swagger_auto_schema(
        operation_id="health_ready",
        operation_summary="Is the service ready?",
        operation_description=(
            "`ok`; `lagging`: due work has waited for longer than HEALTH_MAX_LAG_SECONDS; `degraded`: the broker "
            "is out of reach, tasks are stored and run later; `stalled` (503): due work has waited for so long, and in "
            "that time no worker claimed a task (`claim_age_seconds`) and none runs one, or no tick fired "
            "(`tick_age_seconds`); `unavailable` (503): the database is out of reach."
        ),
        responses={
            200: answer("Requests are served.", ReadySerializer, _example("ok")),
            400: None,
            503: answer(
                "The database is out of reach, or due work waits and nothing claims it.",
                ReadySerializer,
                _example("unavailable", database="unavailable", lag="unknown"),
            ),
        },
        tags=["health"],
    )
    def get(self, request: Request) -> Response:
        status, checks = readiness()
        return Response({"status": status, "checks": checks}, 503 if status in NOT_READY else 200)
