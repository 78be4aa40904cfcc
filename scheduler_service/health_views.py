"""`/health/live` and `/health/ready`. What they mean is said in `health`."""

from typing import Any

from drf_yasg.utils import swagger_auto_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from scheduler_service.health import readiness
from scheduler_service.swagger import answer

NOT_READY = ("stalled", "unavailable")
"""The statuses that answer 503."""


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
    queues = serializers.ListField(
        child=serializers.CharField(),
        help_text="Whose workers are late: of these of DEDICATED_QUEUES, and of `tasks`, which all other queues share.",
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
            "tasks": {**work, "claim_age_seconds": 0.4 if lag == "ok" else None, "queues": []},
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
            "(`tick_age_seconds`); work of dedicated queues alone makes no stall, since other workers may have "
            "nothing to do: `queues` names them; `unavailable` (503): the database is out of reach."
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
