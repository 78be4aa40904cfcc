"""What lies ahead."""

from typing import Any

from drf_yasg import openapi

from scheduler_service.swagger import answer
from schedules_app.documentation.common import (
    COUNT,
    FROM,
    SCHEDULES,
    parameter,
    wrong_field,
    wrong_parameter,
)
from schedules_app.examples import FORECAST as FORECAST_EXAMPLE
from schedules_app.examples import PREVIEW
from schedules_app.serializers import ForecastSerializer, PreviewedScheduleSerializer, PreviewSerializer

_ITEMS = (
    "Occurrences that come but do not fire are shown, too: `fires` is false, and `notes` say why (`excluded`, "
    "`skipped`, or `gap` with the policy `skip`)."
)

PREVIEW_SCHEDULE: dict[str, Any] = {
    "operation_id": "task_schedules_preview",
    "operation_summary": "Preview the occurrences of a task schedule",
    "operation_description": f"As if it were not paused; a limit on its tasks counts. {_ITEMS}",
    "manual_parameters": [COUNT, FROM],
    "responses": {
        200: answer("The occurrences.", PreviewSerializer, PREVIEW),
        400: wrong_parameter("count", "Use a whole number from 1 to 1000."),
    },
    "tags": SCHEDULES,
}
PREVIEW_NEW: dict[str, Any] = {
    "operation_id": "task_schedules_preview_new",
    "operation_summary": "Preview a recurrence",
    "operation_description": (
        "Takes what creating a schedule takes, and checks it in the same way, but stores nothing; `operation` may be "
        f"left out. {_ITEMS}"
    ),
    "request_body": PreviewedScheduleSerializer,
    "manual_parameters": [COUNT, FROM],
    "responses": {
        200: answer("The occurrences.", PreviewSerializer, PREVIEW),
        400: wrong_field("cron", "'61 * * * *' has a minute of 61; use 0 to 59"),
    },
    "tags": SCHEDULES,
}
FORECAST: dict[str, Any] = {
    "operation_id": "forecast_read",
    "operation_summary": "Forecast the load",
    "operation_description": (
        "How many tasks the schedules will create, by the minute in which these may start; minutes without tasks are "
        "left out. Overlap policies may hold some of them back. With more than 2000 schedules or 50000 occurrences, "
        "the forecast is whole only as far as `until`."
    ),
    "manual_parameters": [
        parameter("hours", "How far to look ahead.", openapi.TYPE_INTEGER, minimum=1, maximum=168, default=24)
    ],
    "responses": {
        200: answer("The forecast.", ForecastSerializer, FORECAST_EXAMPLE),
        400: wrong_parameter("hours", "Use a whole number from 1 to 168."),
    },
    "tags": ["forecast"],
}
