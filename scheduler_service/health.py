"""Whether the process lives, and whether the service is ready: database, broker, and how late work is.

`/health/live` touches nothing: an orchestrator restarts the process when it fails, and that would not mend a
database. `/health/ready` answers 503 only when the database is out of reach, because then requests fail. Without
its broker the service is `degraded`: tasks are stored and run later. With due work older than
HEALTH_MAX_LAG_SECONDS it is `lagging`: workers or the beat are missing, or too few, and taking the web process
out of service would not help them. Both of these answer 200. Schedules with an alert are counted, and change nothing:
their tasks fail, not the service.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from drf_yasg.utils import swagger_auto_schema
from rest_framework import serializers
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

Check = dict[str, Any]

# The transports have time limits of their own, but one for each of several steps.
_broker_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="health-broker")


def readiness() -> tuple[str, dict[str, Check]]:
    """The service's status (`ok`, `lagging`, `degraded` or `unavailable`) and each check's own."""
    broker = _broker_threads.submit(doorbell.broker_is_reachable)
    checks = {**_database_checks(), "broker": _broker_check(broker)}
    if checks["database"]["status"] != "ok":
        return "unavailable", checks
    if checks["broker"]["status"] != "ok":
        return "degraded", checks
    is_late = any(checks[name]["status"] != "ok" for name in ("tasks", "schedules"))
    return ("lagging" if is_late else "ok"), checks


def _broker_check(answer: Future[bool]) -> Check:
    try:
        is_reachable = answer.result(BROKER_SECONDS)
    except NotInTimeError:
        is_reachable = False
    return {"status": "ok" if is_reachable else "unavailable"}


def _database_checks() -> dict[str, Check]:
    unknown: Check = {"status": "unknown", "lag_seconds": None}
    checks: dict[str, Check] = {
        "database": {"status": "unavailable"},
        "tasks": unknown,
        "schedules": {**unknown, "alerts": None},
    }
    try:
        with _bounded():
            now = store.database_now()
            checks["database"] = {"status": "ok"}
            checks["tasks"] = _lag(now, queries.oldest_due_at())
            lag = _lag(now, schedule_queries.oldest_due_at())
            checks["schedules"] = {**lag, "alerts": schedule_queries.count_alerts()}
    except (DatabaseError, InterfaceError):
        # A lag that cannot be found in time is a late one, not a database that is out of reach.
        return checks
    return checks


def _bounded() -> AbstractContextManager[Any]:
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
            cursor.execute(f"SET LOCAL statement_timeout = {DATABASE_MILLISECONDS}")


def _lag(now: datetime, oldest: datetime | None) -> Check:
    seconds = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    is_late = seconds > settings.CONFIG.health_max_lag_seconds
    return {"status": "lagging" if is_late else "ok", "lag_seconds": round(seconds, 3)}


class LiveSerializer(serializers.Serializer):
    """The process answers."""

    status = serializers.ChoiceField(["ok"])

    class Meta:
        ref_name = "Live"


class CheckSerializer(serializers.Serializer):
    """One part of the service."""

    status = serializers.ChoiceField(["ok", "lagging", "unknown", "unavailable"])
    lag_seconds = serializers.FloatField(
        required=False, allow_null=True, help_text="How long the oldest due work has waited."
    )

    class Meta:
        ref_name = "Check"


class ScheduleCheckSerializer(CheckSerializer):
    """The part that fires schedules."""

    alerts = serializers.IntegerField(
        allow_null=True,
        help_text="How many schedules have an alert, counted as far as 1000; it does not change the status.",
    )

    class Meta:
        ref_name = "ScheduleCheck"


class ChecksSerializer(serializers.Serializer):
    """All parts of the service."""

    database = CheckSerializer()
    tasks = CheckSerializer()
    schedules = ScheduleCheckSerializer()
    broker = CheckSerializer()

    class Meta:
        ref_name = "Checks"


class ReadySerializer(serializers.Serializer):
    """Whether the service is ready, and which part is not."""

    status = serializers.ChoiceField(["ok", "lagging", "degraded", "unavailable"])
    checks = ChecksSerializer()

    class Meta:
        ref_name = "Ready"


def _example(status: str, *, database: str = "ok", lag: str = "ok") -> dict[str, Any]:
    work = {"status": lag, "lag_seconds": 0.0 if lag == "ok" else None}
    return {
        "status": status,
        "checks": {
            "database": {"status": database},
            "tasks": work,
            "schedules": {**work, "alerts": 0 if lag == "ok" else None},
            "broker": {"status": "ok"},
        },
    }


class LiveView(APIView):
    """Whether this process answers."""

    @swagger_auto_schema(
        operation_summary="Is the process alive?",
        operation_description="Touches neither database nor broker.",
        responses={200: answer("It is.", LiveSerializer, {"status": "ok"}), 503: None},
        tags=["health"],
    )
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class ReadyView(APIView):
    """Whether the service can take requests."""

    @swagger_auto_schema(
        operation_summary="Is the service ready?",
        operation_description=(
            "`ok`; `lagging`: due work has waited for longer than HEALTH_MAX_LAG_SECONDS; `degraded`: the broker "
            "is out of reach, tasks are stored and run later; `unavailable` (503): the database is out of reach."
        ),
        responses={
            200: answer("Requests are served.", ReadySerializer, _example("ok")),
            503: answer(
                "The database is out of reach.",
                ReadySerializer,
                _example("unavailable", database="unavailable", lag="unknown"),
            ),
        },
        tags=["health"],
    )
    def get(self, request: Request) -> Response:
        status, checks = readiness()
        return Response({"status": status, "checks": checks}, 503 if status == "unavailable" else 200)
