"""Tasks as JSON: what a request may say, and what an answer shows."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_yasg.utils import swagger_serializer_method
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from tasks_app import queries
from tasks_app.defaults import backoff_of
from tasks_app.examples import NEW_TASK, TASK
from tasks_app.fields import (
    ArgumentsField,
    InstantField,
    QueueField,
    StrictCharField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializerMixin,
    TagsField,
    format_instant,
)
from tasks_app.lifecycle import Outcome, Status
from tasks_app.models import Attempt, Task
from tasks_app.operations import InvalidArguments, Operation, OperationError, resolve

__all__ = [
    "NewTaskSerializer",
    "OperationSerializer",
    "StrictSerializerMixin",
    "TaskDetailSerializer",
    "TaskSerializer",
    "TaskTemplateFields",
    "validate_template",
]

DEFAULT_QUEUE = "tasks"
ERROR_SCHEMA = {
    "type": "object",
    "description": "Why the task or attempt failed; null if it did not.",
    "additionalProperties": True,
}


class AnyJSONField(serializers.JSONField):
    """Any JSON value."""

    class Meta:
        swagger_schema_fields = {"type": "object", "description": "Any JSON value."}


class ErrorField(serializers.JSONField):
    """Why something failed."""

    class Meta:
        swagger_schema_fields = ERROR_SCHEMA


class TaskTemplateFields(StrictSerializerMixin, serializers.Serializer):
    """The fields that say what a task does; a task schedule has them too."""

    default_error_messages = {"invalid": 'Use a JSON object, for example {{"operation": "4+7"}}.'}

    operation = StrictCharField(
        max_length=200, help_text="A name from /operations/, or an arithmetic expression such as `4+7`."
    )
    arguments = ArgumentsField(default=dict, help_text="The operation's arguments; see its schema.")
    priority = StrictIntegerField(
        min_value=0, max_value=9, default=5, help_text="0 is the most urgent, 9 the least."
    )
    queue = QueueField(
        required=False,
        allow_null=True,
        help_text="Whose workers run it; if null or left out, the operation's queue, else `tasks`.",
    )
    tags = TagsField(default=list, help_text="Up to 20 different labels, for finding tasks again.")
    max_attempts = StrictIntegerField(
        min_value=1,
        max_value=100,
        required=False,
        allow_null=True,
        help_text="How often it may be tried; if null or left out, as the operation or the service says.",
    )
    timeout_seconds = StrictFloatField(
        min_value=0.001,
        max_value=settings.CONFIG.max_timeout_seconds,
        required=False,
        allow_null=True,
        help_text="Time limit of each attempt; if null or left out, as the operation or the service says.",
    )


def validate_template(attrs: dict[str, Any]) -> dict[str, Any]:
    """Complete and check `attrs`, the validated TaskTemplateFields of a task or schedule.

    Returns a copy with the arguments normalized and queue, max_attempts and timeout_seconds filled in: as the
    request says, else the operation, else the service's configuration. Raises ValidationError by field.
    """
    try:
        operation = resolve(attrs["operation"])
        arguments = operation.validate(attrs["operation"], attrs.get("arguments", {}))
    except InvalidArguments as error:
        raise ValidationError({"arguments": _nested(error)}) from None
    except OperationError as error:
        raise ValidationError({"operation": [ErrorDetail(str(error), code=error.code)]}) from None
    return {**attrs, "arguments": arguments, **_defaults(attrs, operation)}


def _defaults(attrs: dict[str, Any], operation: Operation) -> dict[str, Any]:
    config = settings.CONFIG
    timeout = operation.timeout_seconds or config.default_timeout_seconds
    return {
        "queue": attrs.get("queue") or operation.queue or DEFAULT_QUEUE,
        "max_attempts": attrs.get("max_attempts") or operation.max_attempts or config.default_max_attempts,
        # Celery's own time limit is derived from the longest timeout, so no default may exceed it.
        "timeout_seconds": attrs.get("timeout_seconds") or min(timeout, config.max_timeout_seconds),
    }


def _nested(error: InvalidArguments) -> dict[Any, Any]:
    tree: dict[Any, Any] = {}
    for fault in error.errors:
        node = tree
        for step in fault.path:
            node = node.setdefault(step, {})
        faults = node.setdefault(api_settings.NON_FIELD_ERRORS_KEY, [])
        faults.append(ErrorDetail(fault.message, code=fault.code))
    return tree


class NewTaskSerializer(TaskTemplateFields):
    """What a request says about a new task."""

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
        _check_expiry(attrs.get("run_at"), attrs.get("expires_at"))
        attrs = validate_template(attrs)
        return {**attrs, "backoff": backoff_of(resolve(attrs["operation"]))}


def _check_expiry(run_at: datetime | None, expires_at: datetime | None) -> None:
    now = datetime.now(UTC)
    if expires_at is not None and expires_at <= max(run_at or now, now):
        message = "It must lie after run_at and in the future; such a task could never start."
        raise ValidationError({"expires_at": [ErrorDetail(message, code="too_early")]})


class TaskSerializer(NewTaskSerializer):
    """A task. Every answer has every field; a request may set those of NewTask."""

    task_id = serializers.UUIDField(read_only=True)
    status = serializers.ChoiceField([s.value for s in Status], read_only=True)
    result = AnyJSONField(read_only=True, allow_null=True)
    error = ErrorField(read_only=True, allow_null=True)
    progress = AnyJSONField(read_only=True, allow_null=True)
    attempt = serializers.IntegerField(read_only=True, help_text="The number of the latest attempt; 0: none.")
    task_schedule = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The task schedule that created it."
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
        swagger_schema_fields = {"example": TASK}

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
        # A running attempt has no outcome, and a choice field would show the column's empty text for it.
        return {**super().to_representation(instance), "outcome": instance.outcome or None}


class TaskDetailSerializer(TaskSerializer):
    """A task with its attempts, oldest first."""

    attempts = AttemptSerializer(many=True, read_only=True)

    class Meta:
        ref_name = "TaskDetail"

    def to_representation(self, instance: Task) -> dict[str, Any]:
        attempts = AttemptSerializer(queries.attempts_of(instance), many=True).data
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

    class Meta:
        ref_name = "Operation"

    @swagger_serializer_method(serializers.DictField())
    def get_arguments_schema(self, operation: Operation) -> dict[str, Any]:
        return operation.arguments_schema()
