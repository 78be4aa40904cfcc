"""What a task does, as a request says it: the fields and checks that tasks and task schedules share."""

from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from tasks_app.callbacks.fields import HELP as CALLBACK_HELP
from tasks_app.callbacks.fields import CallbackUrlField
from tasks_app.fields import (
    ArgumentsField,
    OperationField,
    QueueField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializerMixin,
    TagsField,
)
from tasks_app.operations import InvalidArguments, Operation, OperationError, resolve

DEFAULT_QUEUE = "tasks"
DEFAULT_PRIORITY = 5


class TaskTemplateFields(StrictSerializerMixin, serializers.Serializer):
    """The fields that say what a task does; a task schedule has them too."""

    default_error_messages = {"invalid": 'Use a JSON object, for example {{"operation": "4+7"}}.'}

    operation = OperationField(
        max_length=200, help_text="A name from /operations/, or an arithmetic expression such as `4+7`."
    )
    arguments = ArgumentsField(default=dict, help_text="The operation's arguments; see its schema.")
    priority = StrictIntegerField(
        min_value=0, max_value=9, default=DEFAULT_PRIORITY, help_text="0 is the most urgent, 9 the least."
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
    callback_url = CallbackUrlField(default=None, allow_null=True, help_text=CALLBACK_HELP)


def validate_template(attrs: dict[str, Any]) -> dict[str, Any]:
    """Complete and check `attrs`, the validated TaskTemplateFields of a task or schedule.

    Returns a copy with the arguments normalized and queue, max_attempts and timeout_seconds filled in: as the
    request says, else the operation, else the service's configuration. Raises ValidationError by field. The
    arguments must come from StrictJSONParser or the database: that they are JSON is not checked again.
    """
    try:
        operation = resolve(attrs["operation"])
        arguments = operation.validate(attrs["operation"], attrs.get("arguments", {}), is_json=True)
    except InvalidArguments as error:
        raise ValidationError({"arguments": _nested(error)}) from None
    except OperationError as error:
        raise ValidationError({"operation": [ErrorDetail(str(error), code=error.code)]}) from None
    return {**attrs, "arguments": arguments, **defaults(attrs, operation)}


def defaults(attrs: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """Queue, attempts and timeout: as the request says, else the operation, else the configuration."""
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
