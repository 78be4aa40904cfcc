"""What a person does with a schedule: pause, resume, trigger, skip, move, restore, backfill."""

from typing import Any

from drf_yasg.utils import no_body

from scheduler_service.swagger import LOCATION, answer
from schedules_app.documentation.common import (
    ETAG,
    FINISHED,
    SCHEDULES,
    BackfillPage,
    conflict,
    page,
    wrong_field,
)
from schedules_app.examples import (
    BACKFILL,
    BACKFILL_DRY_RUN,
    CANCELLED_BACKFILL,
    MOVED_SCHEDULE,
    PAUSED_SCHEDULE,
    SCHEDULE,
    SKIPPED_RUN,
    SKIPPED_SCHEDULE,
    TASK_OF_SCHEDULE,
)
from schedules_app.serializers import (
    BackfillDryRunSerializer,
    BackfillSerializer,
    MoveOccurrenceSerializer,
    NewBackfillSerializer,
    OccurrenceSerializer,
    PauseSerializer,
    RestoreSerializer,
    ResumeSerializer,
    ScheduleSerializer,
    TriggerSerializer,
)
from tasks_app.documentation import IDEMPOTENCY_KEY, REPETITION_PROBLEMS, REPLAYED
from tasks_app.serializers import TaskSerializer

_NO_SUCH = wrong_field(
    "occurs_at",
    "The schedule has no such occurrence ahead; GET …/preview/ lists those that are.",
    "no_such_occurrence",
)
_ANSWERS = "its tasks that have not begun and lie ahead are taken back"

PAUSE_SCHEDULE: dict[str, Any] = {
    "operation_id": "task_schedules_pause",
    "operation_summary": "Pause a task schedule",
    "operation_description": (
        f"It creates no tasks until somebody resumes it, or until `until`; {_ANSWERS}. A body is not needed. Pausing a "
        "paused one changes nothing."
    ),
    "request_body": PauseSerializer,
    "body_is_optional": True,
    "responses": {
        200: answer("The schedule.", ScheduleSerializer, PAUSED_SCHEDULE, headers=ETAG),
        409: FINISHED,
    },
    "tags": SCHEDULES,
}
RESUME_SCHEDULE: dict[str, Any] = {
    "operation_id": "task_schedules_resume",
    "operation_summary": "Resume a task schedule",
    "operation_description": (
        "It goes on with its next occurrence; those of the pause are recorded as SKIPPED, or, with `catch_up`, treated "
        "as missed. A body is not needed. Resuming an active one changes nothing."
    ),
    "request_body": ResumeSerializer,
    "body_is_optional": True,
    "responses": {200: answer("The schedule.", ScheduleSerializer, SCHEDULE, headers=ETAG), 409: FINISHED},
    "tags": SCHEDULES,
}
TRIGGER_SCHEDULE: dict[str, Any] = {
    "operation_id": "task_schedules_trigger",
    "operation_summary": "Run a task schedule's task now",
    "operation_description": (
        "Also of a paused or finished one; the recurrence goes on as if nothing had happened. The ledger has the run "
        "with the origin `manual`. With `obey_overlap`, the policy `overlap` decides: if no task was created, the "
        "answer is 200 with the ledger's entry, which says why. A body is not needed."
    ),
    "request_body": TriggerSerializer,
    "body_is_optional": True,
    "manual_parameters": [IDEMPOTENCY_KEY],
    "responses": {
        201: answer("The task.", TaskSerializer, TASK_OF_SCHEDULE, headers={**LOCATION, **REPLAYED}),
        200: answer(
            "No task: an earlier one has not finished.", OccurrenceSerializer, SKIPPED_RUN, headers=REPLAYED
        ),
        400: wrong_field("arguments/url", "This argument is required.", "required"),
        **REPETITION_PROBLEMS,
    },
    "tags": SCHEDULES,
}
SKIP_NEXT: dict[str, Any] = {
    "operation_id": "task_schedules_skip_next",
    "operation_summary": "Leave out the next occurrence",
    "operation_description": "`overrides` then has it, and …/restore/ takes it back while it lies ahead.",
    "request_body": no_body,
    "responses": {
        200: answer("The schedule.", ScheduleSerializer, SKIPPED_SCHEDULE, headers=ETAG),
        409: FINISHED,
    },
    "tags": SCHEDULES,
}
MOVE_OCCURRENCE: dict[str, Any] = {
    "operation_id": "task_schedules_move",
    "operation_summary": "Move one occurrence",
    "operation_description": "It comes at `to` instead; the others stay where they are.",
    "request_body": MoveOccurrenceSerializer,
    "responses": {
        200: answer("The schedule.", ScheduleSerializer, MOVED_SCHEDULE, headers=ETAG),
        400: _NO_SUCH,
        409: FINISHED,
    },
    "tags": SCHEDULES,
}
RESTORE_OCCURRENCE: dict[str, Any] = {
    "operation_id": "task_schedules_restore",
    "operation_summary": "Take a skip or a move back",
    "operation_description": "Of an occurrence in `overrides` that lies ahead.",
    "request_body": RestoreSerializer,
    "responses": {
        200: answer("The schedule.", ScheduleSerializer, SCHEDULE, headers=ETAG),
        400: _NO_SUCH,
        409: FINISHED,
    },
    "tags": SCHEDULES,
}
LIST_BACKFILLS: dict[str, Any] = {
    "operation_id": "task_schedules_backfills_list",
    "operation_summary": "List the backfills of a task schedule",
    "operation_description": "Newest first, unless `ordering` says otherwise.",
    "responses": {200: answer("A page.", BackfillPage, page(BACKFILL))},
    "tags": SCHEDULES,
}
CREATE_BACKFILL: dict[str, Any] = {
    "operation_id": "task_schedules_backfills_create",
    "operation_summary": "Fire a range of the past",
    "operation_description": (
        "Occurrences of the range that have no task yet get one, oldest first, a slice with each tick. `Location` is "
        'where to follow it. Neither `overlap` nor `schedule_x_times` applies. With `{"dry_run": true}` nothing is '
        "created, and the answer is 200."
    ),
    "request_body": NewBackfillSerializer,
    "manual_parameters": [IDEMPOTENCY_KEY],
    "responses": {
        202: answer("The backfill.", BackfillSerializer, BACKFILL, headers={**LOCATION, **REPLAYED}),
        200: answer(
            "What it would fire (`dry_run`).", BackfillDryRunSerializer, BACKFILL_DRY_RUN, headers=REPLAYED
        ),
        400: wrong_field(
            "to", "The range has more than 10000 occurrences; give a shorter one.", "too_many_occurrences"
        ),
        **REPETITION_PROBLEMS,
    },
    "tags": SCHEDULES,
}
READ_BACKFILL: dict[str, Any] = {
    "operation_id": "task_schedules_backfills_read",
    "operation_summary": "Read a backfill",
    "operation_description": "With how far it has come.",
    "responses": {200: answer("The backfill.", BackfillSerializer, BACKFILL)},
    "tags": SCHEDULES,
}
CANCEL_BACKFILL: dict[str, Any] = {
    "operation_id": "task_schedules_backfills_cancel",
    "operation_summary": "Cancel a backfill",
    "operation_description": "It creates no more tasks; those that it has created stay.",
    "request_body": no_body,
    "responses": {
        200: answer("The backfill.", BackfillSerializer, CANCELLED_BACKFILL),
        409: conflict("The backfill is FINISHED already; only a running one can be cancelled."),
    },
    "tags": SCHEDULES,
}
