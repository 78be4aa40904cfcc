"""What /swagger/ says about the addresses of tasks: summaries, answers, and an example of each."""

from typing import Any

from drf_yasg import openapi
from drf_yasg.utils import no_body
from rest_framework import serializers

from scheduler_service.swagger import LOCATION, FaultSerializer, answer, header, problem_answer
from tasks_app import heavy, repetition
from tasks_app.callbacks import fields as callback_url
from tasks_app.examples import ATTEMPT, BATCH, BATCH_FAULT, FINISHED_TASK, OPERATION, STARTED_TASK, TASK
from tasks_app.operations.http.urls import MAX_URL
from tasks_app.serializers import NewTaskSerializer, OperationSerializer, TaskDetailSerializer, TaskSerializer

SHORT_OF_LARGE_ROWS = (
    f"Where rows are large, a page ends before their large values are more than {heavy.PAGE_BYTES >> 20} MiB of JSON, "
    "but for one row that is larger by itself: it then has fewer rows than `page_size`, and `next` goes on."
)


class TaskPageSerializer(serializers.Serializer):
    """A page of tasks."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = TaskSerializer(many=True)

    class Meta:
        ref_name = "TaskPage"


class BatchFaultSerializer(serializers.Serializer):
    """What is wrong with one item of a batch."""

    index = serializers.IntegerField(help_text="The item's place in the array, from 0.")
    errors = FaultSerializer(many=True)  # type: ignore[assignment]

    class Meta:
        ref_name = "BatchFault"


class BatchAnswerSerializer(serializers.Serializer):
    """The tasks that a batch created (or found by `unique_key`), in its order, and what is wrong with other items."""

    tasks = TaskSerializer(many=True)
    errors = BatchFaultSerializer(many=True)  # type: ignore[assignment]
    batch_id = serializers.UUIDField(
        allow_null=True,
        help_text="What the created tasks have: `GET /tasks/?batch_id=…` lists them. null: of an empty array.",
    )

    class Meta:
        ref_name = "BatchAnswer"


class OperationListSerializer(serializers.Serializer):
    """All operations."""

    results = OperationSerializer(many=True)

    class Meta:
        ref_name = "OperationList"


IDEMPOTENCY_KEY = openapi.Parameter(
    repetition.HEADER,
    openapi.IN_HEADER,
    "1 to 255 printable ASCII characters, new for each new request. The answer to the first request with a key, if it "
    "is 2xx, is kept for at least `IDEMPOTENCY_HOURS` (24); the same request with the same key then gets that answer "
    f"again, with the header `{repetition.REPLAYED}: true`, and creates nothing.",
    type=openapi.TYPE_STRING,
    pattern=repetition.PATTERN,
)
REPLAYED = {
    repetition.REPLAYED: header(
        "Whether this is the answer to an earlier request.", is_required=False, enum=["true"]
    )
}
REPETITION_PROBLEMS = {
    409: problem_answer(
        409,
        repetition.IdempotencyKeyInFlight.default_code,
        repetition.IdempotencyKeyInFlight.default_detail,
        headers={"Retry-After": header("Seconds to wait.", pattern="^[0-9]+$")},
    ),
    422: problem_answer(
        422,
        repetition.IdempotencyKeyReused.default_code,
        repetition.IdempotencyKeyReused.default_detail,
    ),
}


def _conflict(detail: str) -> openapi.Response:
    return problem_answer(409, "conflict", detail)


LIST_TASKS: dict[str, Any] = {
    "operation_id": "tasks_list",
    "operation_summary": "List tasks",
    "operation_description": (
        "Newest first, unless `ordering` says otherwise; filters combine. `ids=a,b,c` reads the results of many tasks "
        "at once. An ordering by `finished_at` lists only tasks that have finished. Pages follow a cursor: rows that "
        "come or go shift nothing. Filters without an index "
        "are looked for among the next 101,000 tasks: where few match, a page has fewer than `page_size`, or none, and "
        "`next` goes on behind them; the list ends where `next` is null. "
        f"{SHORT_OF_LARGE_ROWS} For tasks that ended lately, order by "
        "`-finished_at`. An order by another column than the time of creation or end is for filtered lists: where it "
        "takes PostgreSQL more than 2 s, the answer is 400 `too_broad`."
    ),
    "responses": {
        200: answer(
            "A page.", TaskPageSerializer, {"next": None, "previous": None, "results": [FINISHED_TASK]}
        )
    },
    "tags": ["tasks"],
}
CREATE_TASK: dict[str, Any] = {
    "operation_id": "tasks_create",
    "operation_summary": "Create a task",
    "operation_description": (
        "It is stored when this answers; `Location` is where to read its result. Where an unfinished task has the same "
        "`unique_key`, nothing is stored, and that task is answered, with 200."
    ),
    "request_body": NewTaskSerializer,
    "manual_parameters": [IDEMPOTENCY_KEY],
    "responses": {
        202: answer("The new task.", TaskSerializer, TASK, headers={**LOCATION, **REPLAYED}),
        200: answer(
            "The unfinished task that has this `unique_key`.",
            TaskSerializer,
            {**STARTED_TASK, "unique_key": "invoice-7", "cancel_requested_at": None},
            headers={**LOCATION, **REPLAYED},
        ),
        **REPETITION_PROBLEMS,
    },
    "tags": ["tasks"],
}
CREATE_BATCH: dict[str, Any] = {
    "operation_id": "tasks_batch_request",
    "operation_summary": "Create many tasks",
    "operation_description": (
        "Valid items are created in one transaction, wrong ones are told by index; an empty array creates nothing. "
        "If no item is valid, or `atomic` is true and one is not, nothing is created and the answer is 400. Where an "
        "unfinished task has an item's `unique_key`, that task stands in `tasks` in the item's place, with its own "
        "`batch_id`. Items without a `callback_url` of their own have that of the query."
    ),
    "request_body": NewTaskSerializer(many=True),
    "manual_parameters": [
        IDEMPOTENCY_KEY,
        openapi.Parameter(
            "atomic", openapi.IN_QUERY, "Create all or nothing.", type=openapi.TYPE_BOOLEAN, default=False
        ),
        openapi.Parameter(
            "callback_url",
            openapi.IN_QUERY,
            "The `callback_url` of the items that have none; encoded, as each value of a query.",
            type=openapi.TYPE_STRING,
            maxLength=MAX_URL,
            **callback_url.SCHEMA,
        ),
    ],
    "responses": {
        202: answer("What was created.", BatchAnswerSerializer, BATCH, headers=REPLAYED),
        400: problem_answer(400, "validation_error", "1/operation: …", BATCH_FAULT["errors"]),
        **REPETITION_PROBLEMS,
    },
    "tags": ["tasks"],
}
READ_TASK: dict[str, Any] = {
    "operation_id": "tasks_read",
    "operation_summary": "Read a task with its attempts",
    "operation_description": "The running attempt is the last one; its `outcome` and `finished_at` are null.",
    "responses": {200: answer("The task.", TaskDetailSerializer, {**FINISHED_TASK, "attempts": [ATTEMPT]})},
    "tags": ["tasks"],
}
DELETE_TASK: dict[str, Any] = {
    "operation_id": "tasks_delete",
    "operation_summary": "Delete a task that has not begun",
    "responses": {
        204: "It is gone.",
        409: _conflict("The task is STARTED; only one that has not begun can be deleted: cancel it instead."),
    },
    "tags": ["tasks"],
}
CANCEL_TASK: dict[str, Any] = {
    "operation_id": "tasks_cancel",
    "operation_summary": "Cancel a task",
    "operation_description": (
        "A waiting task ends as CANCELLED at once (200). A running one is asked to stop (202): it ends as CANCELLED "
        "if its operation heeds that, else as it would have."
    ),
    "request_body": no_body,
    "responses": {
        200: answer("It is cancelled.", TaskSerializer, {**TASK, "status": "CANCELLED"}),
        202: answer("It is asked to stop.", TaskSerializer, STARTED_TASK),
        409: _conflict("The task is SUCCESS already; a finished task cannot be cancelled."),
    },
    "tags": ["tasks"],
}
RETRY_TASK: dict[str, Any] = {
    "operation_id": "tasks_retry",
    "operation_summary": "Repeat a finished task",
    "operation_description": (
        "Creates a new task like it, to run now, which names the old one in `retry_of` and has no `unique_key`."
    ),
    "request_body": no_body,
    "responses": {
        202: answer(
            "The new task.",
            TaskSerializer,
            {**TASK, "retry_of": FINISHED_TASK["task_id"]},
            headers=LOCATION,
        ),
        409: _conflict("The task is PENDING; only a finished task can be repeated. Cancel it first."),
    },
    "tags": ["tasks"],
}
LIST_OPERATIONS: dict[str, Any] = {
    "operation_id": "operations_list",
    "operation_summary": "List what can run",
    "responses": {200: answer("All operations, by name.", OperationListSerializer, {"results": [OPERATION]})},
    "tags": ["operations"],
}
