"""What lies ahead: the occurrences of one schedule, of a schedule that is not stored, and the load of all of them."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone
from drf_yasg.utils import swagger_auto_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access_app.principals import SCHEDULES, Scope, Scopes, project_of
from schedules_app import documentation as docs
from schedules_app import preview, recurrence
from schedules_app.firing import rule_of
from schedules_app.forecast import forecast
from schedules_app.recurrence import Rule
from schedules_app.serializers import ForecastSerializer, PreviewedScheduleSerializer, PreviewSerializer
from schedules_app.views.common import find, number_of, problems, wrong
from tasks_app.fields import InvalidInstantError, parse_instant
from tasks_app.filters import check_parameters
from tasks_app.views import parse_id

PREVIEW_DEFAULT, PREVIEW_MOST = 10, 1000
FORECAST_DEFAULT, FORECAST_MOST = 24, 168


def _start(parameters: QueryDict) -> datetime | None:
    text = parameters.get("from")
    if text is None:
        return None
    try:
        # An unescaped + of an offset arrives as a space.
        return parse_instant(text.replace(" ", "+"))
    except InvalidInstantError as error:
        raise wrong("from", str(error), error.code) from None


def _shown(description: str, items: list[dict[str, Any]]) -> Response:
    return Response(PreviewSerializer({"description": description, "occurrences": items}).data)


class SchedulePreviewView(APIView):
    """The next occurrences of one schedule."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.PREVIEW_SCHEDULE)
    def get(self, request: Request, schedule_id: str) -> Response:
        check_parameters(request.query_params, ["count", "from"])
        count = number_of(request.query_params, "count", PREVIEW_DEFAULT, PREVIEW_MOST)
        start = _start(request.query_params)
        schedule = find(request, parse_id(schedule_id))
        with problems():
            try:
                items = preview.items_of(schedule, start or timezone.now(), count)
            except preview.TooFarAhead:
                message = f"More than {preview.MOST_COUNTED} occurrences lie before it; give an earlier time."
                raise wrong("from", message, "too_far_ahead") from None
            return _shown(recurrence.describe(rule_of(schedule)), items)


class NewSchedulePreviewView(APIView):
    """The first occurrences of a schedule that is not stored."""

    # It stores nothing.
    scopes = Scopes(read=Scope.SCHEDULES_READ, write=Scope.SCHEDULES_READ)

    @swagger_auto_schema(**docs.PREVIEW_NEW)
    def post(self, request: Request) -> Response:
        check_parameters(request.query_params, ["count", "from"])
        count = number_of(request.query_params, "count", PREVIEW_DEFAULT, PREVIEW_MOST)
        start = _start(request.query_params)
        serializer = PreviewedScheduleSerializer(
            data=request.data, context={"project_id": project_of(request)}
        )
        serializer.is_valid(raise_exception=True)
        rule, asked = serializer.rule, serializer.validated_data
        # Counted from the first occurrence on: of a later `from` nobody knows how many tasks lie before it.
        limit = asked["schedule_x_times"] if start is None else None
        items = preview.items(rule, start or _first(rule), count, asked["jitter_seconds"], limit)
        return _shown(recurrence.describe(rule), items)


def _first(rule: Rule) -> datetime:
    """From when on a schedule that is stored now fires: a start that is only just past counts."""
    now = timezone.now()
    just_past = now - timedelta(seconds=settings.CONFIG.late_after_seconds)
    return rule.starts_at if just_past <= rule.starts_at else now


class ForecastView(APIView):
    """How many tasks the schedules will create."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.FORECAST)
    def get(self, request: Request) -> Response:
        check_parameters(request.query_params, ["hours"])
        hours = number_of(request.query_params, "hours", FORECAST_DEFAULT, FORECAST_MOST)
        return Response(ForecastSerializer(forecast(timezone.now(), hours, project_of(request))).data)
