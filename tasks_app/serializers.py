"""Tasks as JSON: what a request may say, and what an answer shows."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_yasg.utils import swagger_serializer_method
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from tasks_app import queries
from tasks_app.defaults import backoff_of
from tasks_app.examples import ATTEMPT, NEW_TASK, TASK
from tasks_app.fields import (
    ArgumentsField,
    InstantField,
    StrictCharField,
    StrictChoiceField,
    StrictFloatField,
    format_instant,
)
from tasks_app.lifecycle import Curve, Outcome, Status
from tasks_app.models import Attempt, Task
from tasks_app.operations import Operation, resolve
from tasks_app.task_template import TaskTemplateFields, validate_template

MAX_WAIT_SECONDS = 31_536_000
"""Longest wait between two attempts that a request may ask for: a year."""

_WAITS = {"base_seconds": "retry_base_seconds", "cap_seconds": "retry_cap_seconds", "curve": "retry_backoff"}
"""What of a Backoff each field of a request sets."""

ERROR_SCHEMA = {
    "type": "object",
    "title": "Failure",
    "description": "Why the task or attempt failed; null if it did not.",
    "properties": {
        "code": {"type": "string", "description": "For programs."},
        "message": {"type": "string", "description": "For people."},
        "traceback": {
            "type": "string",
            "description": "null if the message says it all.",
            "x-nullable": True,
        },
    },
    "required": ["code", "message", "traceback"],
}
PROGRESS_SCHEMA = {
    "type": "object",
    "description": "What the operation last said of its latest attempt, about once a second; null: nothing.",
    "properties": {
        "done": {"type": "number"},
        "total": {"type": "number", "description": "null if it is not known.", "x-nullable": True},
        "note": {"type": "string"},
    },
}


class ProgressField(serializers.JSONField):
    """How far a task has come."""

    class Meta:
        swagger_schema_fields = PROGRESS_SCHEMA


class ErrorField(serializers.JSONField):
    """Why something failed."""

    class Meta:
        swagger_schema_fields = ERROR_SCHEMA


def _wait_field(help_text: str) -> StrictFloatField:
    return StrictFloatField(
        min_value=0.001, max_value=MAX_WAIT_SECONDS, required=False, allow_null=True, help_text=help_text
    )


class NewTaskSerializer(TaskTemplateFields):
    """What a request says about a new task."""

    retry_backoff = StrictChoiceField(
        [curve.value for curve in Curve],
        required=False,
        allow_null=True,
        help_text="How the waits between attempts grow; if null or left out, as the operation says, else "
        "`exponential` (a random wait up to base, 2 base, 4 base, …). `linear`: base, 2 base, 3 base, …; "
        "`fixed`: base, always.",
    )
    retry_base_seconds = _wait_field(
        "The wait after the first failed attempt; if null or left out, as the operation or the service says."
    )
    retry_cap_seconds = _wait_field(
        "No wait is longer; if null or left out, as the operation or the service says."
    )
    unique_key = StrictCharField(
        max_length=200,
        trim_whitespace=False,
        default=None,
        allow_null=True,
        help_text="At most one unfinished task has it: while there is one, a request for another is answered "
        "with that one. null: any number.",
    )

    run_at = InstantField(
        required=False,
        allow_null=True,
        help_text="Not to start before this time (RFC 3339 with offset); if null, left out or past: now.",
    )
    expires_at = InstantField(
        required=False,
        allow_null=True,
        help_text="Not to start after this time; the task ends as EXPIRED instead.",
    )

    class Meta:
        ref_name = "NewTask"
        swagger_schema_fields = {"example": NEW_TASK}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        check_expiry(attrs.get("run_at"), attrs.get("expires_at"))
        attrs = validate_template(attrs)
        asked = {part: attrs.pop(name, None) for part, name in _WAITS.items()}
        attrs["backoff"] = backoff_of(resolve(attrs["operation"]), **asked)
        return attrs


def check_expiry(run_at: datetime | None, expires_at: datetime | None) -> None:
    if expires_at is None:
        return
    now = datetime.now(UTC)
    if expires_at <= max(run_at or now, now):
        message = "It must lie after run_at and in the future; such a task could never start."
        raise ValidationError({"expires_at": [ErrorDetail(message, code="too_early")]})


class TaskSerializer(NewTaskSerializer):
    """A task. Every answer has every field; a request may set those of NewTask."""

    task_id = serializers.UUIDField(read_only=True)
    status = serializers.ChoiceField([s.value for s in Status], read_only=True)
    result = serializers.JSONField(read_only=True, allow_null=True)
    error = ErrorField(read_only=True, allow_null=True)
    progress = ProgressField(read_only=True, allow_null=True)
    attempt = serializers.IntegerField(read_only=True, help_text="The number of the latest attempt; 0: none.")
    task_schedule = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The task schedule that created it."
    )
    batch_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The batch that it came in; null: none."
    )
    retry_of = serializers.UUIDField(read_only=True, allow_null=True, help_text="The task that it repeats.")
    created_at = InstantField(read_only=True)
    started_at = InstantField(
        read_only=True, allow_null=True, help_text="When its latest attempt was claimed."
    )
    finished_at = InstantField(read_only=True, allow_null=True, help_text="When its status became terminal.")
    cancel_requested_at = InstantField(read_only=True, allow_null=True)

    class Meta:
        ref_name = "Task"
        swagger_schema_fields = {"example": TASK, "required": [*TASK]}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        return {**{name: fields[name] for name in TASK}, **fields}

    def to_representation(self, instance: Task) -> dict[str, Any]:
        # DRF asks each field for its value, which takes ten times as long: a batch's answer has 10,000 tasks.
        return {name: _plain(getattr(instance, name)) for name in TASK}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_instant(value)
    return str(value) if isinstance(value, UUID) else value


class AttemptSerializer(serializers.Serializer):
    """One run of a task. The running one has no `outcome` and no `finished_at` yet."""

    number = serializers.IntegerField(read_only=True)
    outcome = serializers.ChoiceField([o.value for o in Outcome], read_only=True, allow_null=True)
    worker = serializers.CharField(read_only=True)
    started_at = InstantField(read_only=True)
    finished_at = InstantField(read_only=True, allow_null=True)
    runtime_seconds = serializers.FloatField(read_only=True, allow_null=True)
    error = ErrorField(read_only=True, allow_null=True)

    def to_representation(self, instance: Attempt) -> dict[str, Any]:
        # As for a task: DRF makes a serializer's fields anew for each answer, which takes longer than to read the rows.
        shown = {name: _plain(getattr(instance, name)) for name in ATTEMPT}
        # A running attempt has no outcome; the column has an empty text for it.
        return {**shown, "outcome": shown["outcome"] or None}


class TaskDetailSerializer(TaskSerializer):
    """A task with its attempts, oldest first."""

    attempts = AttemptSerializer(many=True, read_only=True)

    class Meta:
        ref_name = "TaskDetail"
        swagger_schema_fields = {"required": [*TASK, "attempts"]}

    def to_representation(self, instance: Task) -> dict[str, Any]:
        found = queries.attempts_of(instance)
        attempts = AttemptSerializer(found, many=True).data if found else []
        return {**super().to_representation(instance), "attempts": attempts}


class OperationSerializer(serializers.Serializer):
    """An operation that tasks may name."""

    name = serializers.CharField(read_only=True)
    description = serializers.CharField(read_only=True)
    arguments_schema = serializers.SerializerMethodField(help_text="JSON Schema of `arguments`.")
    timeout_seconds = serializers.FloatField(
        read_only=True, allow_null=True, help_text="null: as configured."
    )
    max_attempts = serializers.IntegerField(read_only=True, allow_null=True, help_text="null: as configured.")
    queue = serializers.CharField(read_only=True, allow_null=True, help_text="null: the queue `tasks`.")
    quick = serializers.BooleanField(read_only=True, help_text="Whether workers take many of them at a time.")
    retry_backoff = serializers.ChoiceField(
        [curve.value for curve in Curve], read_only=True, allow_null=True, help_text="null: `exponential`."
    )
    retry_base_seconds = serializers.FloatField(
        read_only=True, allow_null=True, help_text="null: as configured."
    )
    retry_cap_seconds = serializers.FloatField(
        read_only=True, allow_null=True, help_text="null: as configured."
    )
    force_cancel = serializers.BooleanField(
        read_only=True, help_text="Whether a run that does not heed its cancellation is ended all the same."
    )

    class Meta:
        ref_name = "Operation"

    @swagger_serializer_method(ArgumentsField())
    def get_arguments_schema(self, operation: Operation) -> dict[str, Any]:
        return operation.arguments_schema()
