"""Task schedules: create, read, change, delete, and their lists."""

from typing import Any

from drf_yasg import openapi

from scheduler_service.swagger import LOCATION, answer
from schedules_app.documentation.common import (
    ETAG,
    IF_MATCH,
    IF_NONE_MATCH,
    SCHEDULES,
    STALE,
    OccurrencePage,
    ScheduleChangesSerializer,
    SchedulePage,
    page,
    parameter,
    wrong_field,
)
from schedules_app.examples import (
    CHANGED_SCHEDULE,
    DRY_RUN,
    NEWLY_CREATED,
    OCCURRENCE,
    SCHEDULE,
    TASK_OF_SCHEDULE,
)
from schedules_app.serializers import NewScheduleSerializer, ScheduleSerializer
from tasks_app.documentation import (
    IDEMPOTENCY_KEY,
    REPETITION_PROBLEMS,
    REPLAYED,
    SHORT_OF_LARGE_ROWS,
    TaskPageSerializer,
)

_TWO_KINDS = wrong_field("cron", "give either intervals, or cron, or rrule; set the others to null")

LIST_SCHEDULES: dict[str, Any] = {
    "operation_id": "task_schedules_list",
    "operation_summary": "List task schedules",
    "operation_description": (
        "Newest first, unless `ordering` says otherwise; filters combine. An ordering by `next_run_at` lists only "
        f"schedules that have a next occurrence. {SHORT_OF_LARGE_ROWS}"
    ),
    "responses": {200: answer("A page.", SchedulePage, page(SCHEDULE))},
    "tags": SCHEDULES,
}
CREATE_SCHEDULE: dict[str, Any] = {
    "operation_id": "task_schedules_create",
    "operation_summary": "Create a task schedule",
    "operation_description": (
        "A recurrence is exactly one of three kinds: intervals (which add up), `cron`, or `rrule`. No occurrence comes "
        "before `starts_at`; one in the past only anchors the rule, and what lies behind is not fired. Each occurrence "
        "creates one task like this template; `{{ occurrence }}` and `{{ schedule_id }}` inside of texts of "
        "`arguments` are filled in then. Try a recurrence with `POST /task-schedules/preview/` first."
    ),
    "request_body": NewScheduleSerializer,
    "manual_parameters": [IDEMPOTENCY_KEY],
    "responses": {
        201: answer(
            "The schedule; its `ETag` is for `If-Match`.",
            ScheduleSerializer,
            NEWLY_CREATED,
            headers={**LOCATION, **ETAG, **REPLAYED},
        ),
        400: wrong_field(
            "every_x_days",
            "A schedule needs a recurrence: one or more of every_x_days, every_x_hours, every_x_minutes, "
            "every_x_seconds, or cron, or rrule.",
            "recurrence_required",
        ),
        **REPETITION_PROBLEMS,
    },
    "tags": SCHEDULES,
}
READ_SCHEDULE: dict[str, Any] = {
    "operation_id": "task_schedules_read",
    "operation_summary": "Read a task schedule",
    "manual_parameters": [IF_NONE_MATCH],
    "responses": {
        200: answer("The schedule.", ScheduleSerializer, SCHEDULE, headers=ETAG),
        304: openapi.Response("The client has this answer already.", headers=ETAG),
    },
    "tags": SCHEDULES,
}
CHANGE_SCHEDULE: dict[str, Any] = {
    "operation_id": "task_schedules_update",
    "operation_summary": "Change a task schedule",
    "operation_description": (
        "Only the fields that are given. Who changes from one kind of recurrence to another sets the old one to null. "
        "A change of the rule takes effect from now and never fires the past. Tasks that have begun stay as they "
        "are.\n\nWith `dry_run=true` nothing is changed. The answer is then the schedule as it would be (`schedule`), "
        "and which occurrences of the next 30 days come (`added`), go (`removed`) or move (`moved`), such as "
        f"`{DRY_RUN['moved'][0]}`; `truncated` and `until` say how far was compared, at most 1000 occurrences."
    ).replace("'", '"'),
    "request_body": ScheduleChangesSerializer,
    "manual_parameters": [
        IF_MATCH,
        parameter(
            "dry_run",
            "Only say what the change would do. Swagger 2.0 cannot give an answer two forms: a generated client has to "
            "read this one raw.",
            openapi.TYPE_BOOLEAN,
            default=False,
        ),
    ],
    "responses": {
        200: answer(
            "The schedule, with its `ETag`; with `dry_run=true`, what the change would do.",
            ScheduleSerializer,
            {**CHANGED_SCHEDULE, "priority": 3},
            headers={"ETag": {**ETAG["ETag"], "x-required": False}},
        ),
        400: _TWO_KINDS,
        412: STALE,
    },
    "tags": SCHEDULES,
}
DELETE_SCHEDULE: dict[str, Any] = {
    "operation_id": "task_schedules_delete",
    "operation_summary": "Delete a task schedule",
    "operation_description": "With its occurrences and backfills; the tasks that it created stay.",
    "manual_parameters": [IF_MATCH],
    "responses": {204: "It is gone.", 412: STALE},
    "tags": SCHEDULES,
}
LIST_TASKS: dict[str, Any] = {
    "operation_id": "task_schedules_tasks",
    "operation_summary": "List the tasks of a task schedule",
    "operation_description": f"Newest first, unless `ordering` says otherwise. {SHORT_OF_LARGE_ROWS}",
    "responses": {200: answer("A page.", TaskPageSerializer, page(TASK_OF_SCHEDULE))},
    "tags": SCHEDULES,
}
LIST_OCCURRENCES: dict[str, Any] = {
    "operation_id": "task_schedules_occurrences",
    "operation_summary": "List the occurrences of a task schedule",
    "operation_description": (
        "The ledger, latest first: each occurrence, its verdict, its task and how that ended. What is known ahead "
        "stands there ahead, such as excluded days."
    ),
    "responses": {200: answer("A page.", OccurrencePage, page(OCCURRENCE))},
    "tags": SCHEDULES,
}
