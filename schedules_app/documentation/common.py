"""What the pages of the API's document share: pages of lists, problems, parameters."""

from typing import Any

from drf_yasg import openapi
from rest_framework import serializers

from scheduler_service.swagger import header, problem_answer
from schedules_app.etags import PreconditionFailed
from schedules_app.serializers import (
    BackfillSerializer,
    CalendarSerializer,
    NewScheduleSerializer,
    OccurrenceSerializer,
    ScheduleSerializer,
)
from tasks_app.fields import INSTANT_SCHEMA

SCHEDULES, CALENDARS = ["task-schedules"], ["calendars"]


def _page_of(serializer: type[serializers.Serializer], name: str) -> type[serializers.Serializer]:
    fields = {
        "__doc__": "One page of a list.",
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "results": serializer(many=True),
        "Meta": type("Meta", (), {"ref_name": name}),
    }
    return type(name, (serializers.Serializer,), fields)


SchedulePage = _page_of(ScheduleSerializer, "TaskSchedulePage")
OccurrencePage = _page_of(OccurrenceSerializer, "OccurrencePage")
BackfillPage = _page_of(BackfillSerializer, "BackfillPage")
CalendarPage = _page_of(CalendarSerializer, "CalendarPage")


class ScheduleChangesSerializer(NewScheduleSerializer):
    """What a PATCH may change."""

    class Meta:
        ref_name = "TaskScheduleChanges"
        swagger_schema_fields = {"example": {"cron": "30 3 * * *", "priority": 3}}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            field.required, field.default = False, serializers.empty
        return fields


def page(result: dict[str, Any]) -> dict[str, Any]:
    """The example of a page with this one row."""
    return {"next": None, "previous": None, "results": [result]}


def conflict(detail: str, code: str = "conflict") -> openapi.Response:
    """409."""
    return problem_answer(409, code, detail)


def wrong_field(field: str, detail: str, code: str = "invalid_recurrence") -> openapi.Response:
    """400 for one field of the body."""
    fault = {"code": code, "detail": detail, "pointer": f"#/{field}"}
    return problem_answer(400, "validation_error", f"{field}: {detail}", [fault])


def wrong_parameter(parameter: str, detail: str, code: str = "invalid") -> openapi.Response:
    """400 for one parameter of the query."""
    fault = {"code": code, "detail": detail, "parameter": parameter}
    return problem_answer(400, "validation_error", f"{parameter}: {detail}", [fault])


def parameter(name: str, description: str, kind: str, **more: Any) -> openapi.Parameter:
    """A parameter of the query."""
    return openapi.Parameter(name, openapi.IN_QUERY, description, type=kind, **more)


STALE = problem_answer(412, PreconditionFailed.default_code, PreconditionFailed.default_detail)
FINISHED = conflict("The schedule is FINISHED; give it a later ends_at or a higher schedule_x_times first.")
IF_MATCH = openapi.Parameter(
    "If-Match",
    openapi.IN_HEADER,
    'The `ETag` of an answer about this schedule, or its revision in quotes, such as `"3"`. If the schedule has been '
    "changed since (firing is no change), the answer is 412.",
    type=openapi.TYPE_STRING,
)
ETAG = {
    "ETag": header("Of this answer, for `If-Match` and `If-None-Match`.", pattern='^"[0-9]+-[0-9a-f]{12}"$')
}
IF_NONE_MATCH = openapi.Parameter(
    "If-None-Match",
    openapi.IN_HEADER,
    "The `ETag` of the last answer: if this one would be the same, it is 304 without a body.",
    type=openapi.TYPE_STRING,
)
COUNT = parameter("count", "How many.", openapi.TYPE_INTEGER, minimum=1, maximum=1000, default=10)
FROM = parameter(
    "from", "Those at this time or later; now, if left out.", openapi.TYPE_STRING, **INSTANT_SCHEMA
)
