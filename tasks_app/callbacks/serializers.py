"""The log of callbacks as JSON."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from tasks_app.callbacks.log import Delivery, response_status
from tasks_app.examples import ATTEMPT
from tasks_app.fields import InstantField, format_instant
from tasks_app.lifecycle import WAITING, Status
from tasks_app.serializers import AttemptSerializer

DELIVERY: dict[str, Any] = {
    "url": "https://hooks.example.com/tasks",
    "ended_at": "2030-01-31T12:00:00.021000Z",
    "is_repetition": False,
    "delivery_task_id": "0190b2a4-6a11-7d3e-9f40-1a2b3c4d5e6f",
    "status": "SUCCESS",
    "next_attempt_at": None,
    "attempts": [{**ATTEMPT, "response_status": 204}],
}


class DeliveryAttemptSerializer(AttemptSerializer):
    """One POST to the receiver."""

    response_status = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Of the receiver's answer; null: there was none."
    )


class DeliverySerializer(serializers.Serializer):
    """One delivery of a task's end: a task that sends a POST, with its attempts, oldest first."""

    url = serializers.CharField(read_only=True, help_text="As the task's `callback_url` has it.")
    ended_at = InstantField(read_only=True, help_text="When the task ended of which it tells.")
    is_repetition = serializers.BooleanField(
        read_only=True, help_text="Whether somebody had an earlier delivery repeated."
    )
    delivery_task_id = serializers.UUIDField(
        read_only=True,
        allow_null=True,
        help_text="The task that sends it; null: not stored yet, or with `status` ERROR impossible to store.",
    )
    status = serializers.ChoiceField(
        [s.value for s in Status],
        read_only=True,
        allow_null=True,
        help_text="Of that task, or ERROR if it could not be stored; null: there is none yet, or none any more.",
    )
    next_attempt_at = InstantField(
        read_only=True, allow_null=True, help_text="When it may be tried next; null: it runs, or is over."
    )
    attempts = DeliveryAttemptSerializer(many=True, read_only=True)

    class Meta:
        ref_name = "Delivery"

    def to_representation(self, instance: Delivery) -> dict[str, Any]:
        row, task = instance.callback, instance.task
        attempts = [
            {**AttemptSerializer(each).data, "response_status": response_status(each, task)}
            for each in instance.attempts
        ]
        is_waiting = task is not None and task.status in WAITING
        return {
            "url": instance.url,
            "ended_at": format_instant(row.ended_at),
            "is_repetition": row.number > 0,
            "delivery_task_id": None if instance.is_impossible else _text(row.delivery_task_id),
            "status": Status.ERROR.value if instance.is_impossible else task and task.status,
            "next_attempt_at": format_instant(task.run_at) if task and is_waiting else None,
            "attempts": attempts,
        }


def _text(key: UUID | None) -> str | None:
    return str(key) if key else None


class DeliveryListSerializer(serializers.Serializer):
    """All deliveries of a task's end."""

    results = DeliverySerializer(many=True)

    class Meta:
        ref_name = "DeliveryList"
