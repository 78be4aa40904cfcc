"""What /swagger/ says about the addresses of task schedules: summaries, answers, and an example of each."""

from typing import Any

from drf_yasg.utils import no_body
from rest_framework import serializers

from scheduler_service.swagger import answer, problem_answer
from schedules_app.examples import OCCURRENCE, PAUSED_SCHEDULE, SCHEDULE, TASK_OF_SCHEDULE
from schedules_app.serializers import NewScheduleSerializer, OccurrenceSerializer, ScheduleSerializer
from tasks_app.documentation import IDEMPOTENCY_KEY, REPETITION_PROBLEMS, TaskPageSerializer


class SchedulePageSerializer(serializers.Serializer):
    """A page of task schedules."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = ScheduleSerializer(many=True)

    class Meta:
        ref_name = "TaskSchedulePage"


class OccurrencePageSerializer(serializers.Serializer):
    """A page of occurrences."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = OccurrenceSerializer(many=True)

    class Meta:
        ref_name = "OccurrencePage"


class ScheduleChangesSerializer(NewScheduleSerializer):
    """What a PATCH may change."""

    class Meta:
        ref_name = "TaskScheduleChanges"
        swagger_schema_fields = {"example": {"every_x_days": 2, "priority": 3}}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            field.required, field.default = False, serializers.empty
        return fields


def _page(result: dict[str, Any]) -> dict[str, Any]:
    return {"next": None, "previous": None, "results": [result]}


_TAGS = ["task-schedules"]
_NO_RECURRENCE = problem_answer(
    400,
    "validation_error",
    "every_x_days: A schedule needs at least one of every_x_days and every_x_hours.",
    [
        {
            "code": "recurrence_required",
            "detail": "A schedule needs at least one of every_x_days and every_x_hours.",
            "pointer": "#/every_x_days",
        }
    ],
)
_FINISHED = problem_answer(
    409, "conflict", "The schedule is FINISHED; give it a later ends_at or a higher schedule_x_times first."
)

LIST_SCHEDULES: dict[str, Any] = {
    "operation_summary": "List task schedules",
    "operation_description": (
        "Newest first, unless `ordering` says otherwise; filters combine. An ordering by `next_run_at` lists only "
        "schedules that have a next occurrence."
    ),
    "responses": {200: answer("A page.", SchedulePageSerializer, _page(SCHEDULE))},
    "tags": _TAGS,
}
CREATE_SCHEDULE: dict[str, Any] = {
    "operation_summary": "Create a task schedule",
    "operation_description": (
        "The first occurrence is `starts_at`, or now; a `starts_at` in the past only anchors the rule, and what "
        "lies behind is not fired. Each occurrence creates one task like this template. `every_x_days` keeps the "
        "wall-clock time of `timezone` across summer time: a time that does not exist on a day is read with the "
        "offset before the gap (02:30 becomes 03:30), one that exists twice is its first. After downtime, the "
        "latest missed occurrence is fired late and the others are recorded as SKIPPED."
    ),
    "request_body": NewScheduleSerializer,
    "manual_parameters": [IDEMPOTENCY_KEY],
    "responses": {
        201: answer(
            "The schedule.", ScheduleSerializer, {**SCHEDULE, "last_run_at": None, "tasks_created": 0}
        ),
        400: _NO_RECURRENCE,
        **REPETITION_PROBLEMS,
    },
    "tags": _TAGS,
}
READ_SCHEDULE: dict[str, Any] = {
    "operation_summary": "Read a task schedule",
    "responses": {200: answer("The schedule.", ScheduleSerializer, SCHEDULE)},
    "tags": _TAGS,
}
CHANGE_SCHEDULE: dict[str, Any] = {
    "operation_summary": "Change a task schedule",
    "operation_description": (
        "Only the fields that are given. A change of the rule takes effect from now and never fires the past. "
        "Tasks that exist already stay as they are."
    ),
    "request_body": ScheduleChangesSerializer,
    "responses": {
        200: answer("The schedule.", ScheduleSerializer, {**SCHEDULE, "every_x_days": 2, "revision": 2}),
        400: _NO_RECURRENCE,
    },
    "tags": _TAGS,
}
DELETE_SCHEDULE: dict[str, Any] = {
    "operation_summary": "Delete a task schedule",
    "operation_description": "With its occurrences; the tasks that it created stay.",
    "responses": {204: "It is gone."},
    "tags": _TAGS,
}
PAUSE_SCHEDULE: dict[str, Any] = {
    "operation_summary": "Pause a task schedule",
    "operation_description": "It creates no tasks until it is resumed. Pausing a paused one changes nothing.",
    "request_body": no_body,
    "responses": {200: answer("The schedule.", ScheduleSerializer, PAUSED_SCHEDULE), 409: _FINISHED},
    "tags": _TAGS,
}
RESUME_SCHEDULE: dict[str, Any] = {
    "operation_summary": "Resume a task schedule",
    "operation_description": (
        "It goes on with its next occurrence; those of the pause are recorded as SKIPPED. Resuming an active one "
        "changes nothing."
    ),
    "request_body": no_body,
    "responses": {200: answer("The schedule.", ScheduleSerializer, SCHEDULE), 409: _FINISHED},
    "tags": _TAGS,
}
LIST_TASKS: dict[str, Any] = {
    "operation_summary": "List the tasks of a task schedule",
    "operation_description": "Newest first, unless `ordering` says otherwise.",
    "responses": {200: answer("A page.", TaskPageSerializer, _page(TASK_OF_SCHEDULE))},
    "tags": _TAGS,
}
LIST_OCCURRENCES: dict[str, Any] = {
    "operation_summary": "List the occurrences of a task schedule",
    "operation_description": "The ledger: each occurrence that was due, its verdict and its task, latest first.",
    "responses": {200: answer("A page.", OccurrencePageSerializer, _page(OCCURRENCE))},
    "tags": _TAGS,
}
