"""The bodies of requests that do something with a schedule; each of them may be left out where nothing is required."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from schedules_app.examples import BACKFILL
from schedules_app.fields import StrictBooleanField
from schedules_app.records import BackfillStatus
from schedules_app.serializers.rules import fault
from tasks_app.fields import (
    ArgumentsField,
    InstantField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializerMixin,
)

BACKFILL_PRIORITY = 9
"""Of backfills that say none: the least, so that they keep nobody waiting."""


class ActionSerializer(StrictSerializerMixin, serializers.Serializer):
    """The body of an action: a JSON object, or nothing."""

    default_error_messages = {"invalid": "Use a JSON object, or send no body."}


class PauseSerializer(ActionSerializer):
    """How to pause."""

    note = StrictCharField(max_length=200, allow_blank=True, default="", help_text="Why; for people.")
    until = InstantField(
        allow_null=True, default=None, help_text="When it goes on by itself; null: when somebody resumes it."
    )

    class Meta:
        ref_name = "SchedulePause"
        swagger_schema_fields = {
            "example": {"note": "The invoice system is down.", "until": "2030-02-01T06:00:00Z"}
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["until"] is not None and attrs["until"] <= timezone.now():
            raise fault("until", "It must lie in the future; to go on now, resume the schedule.", "too_early")
        return attrs


class ResumeSerializer(ActionSerializer):
    """How to resume."""

    catch_up = StrictBooleanField(
        default=False,
        help_text="true: what the pause left out is treated as missed, as the schedule's `catch_up` says.",
    )

    class Meta:
        ref_name = "ScheduleResume"
        swagger_schema_fields = {"example": {"catch_up": True}}


class TriggerSerializer(ActionSerializer):
    """How to run a schedule's task now."""

    obey_overlap = StrictBooleanField(
        default=False, help_text="true: the schedule's `overlap` policy decides whether it runs."
    )
    arguments = ArgumentsField(
        allow_null=True,
        default=None,
        help_text="For this run, in place of the schedule's; null: the schedule's.",
    )

    class Meta:
        ref_name = "ScheduleTrigger"
        swagger_schema_fields = {"example": {"obey_overlap": True}}


class RestoreSerializer(ActionSerializer):
    """Which skip or move to take back."""

    occurs_at = InstantField(help_text="The nominal time by the rule, as in `overrides`.")

    class Meta:
        ref_name = "OccurrenceRestore"
        swagger_schema_fields = {"example": {"occurs_at": "2030-02-01T01:30:00Z"}}


class MoveOccurrenceSerializer(RestoreSerializer):
    """Which occurrence to move, and where to."""

    to = InstantField(help_text="When it shall come instead; within a year from now.")

    class Meta:
        ref_name = "OccurrenceMove"
        swagger_schema_fields = {
            "example": {"occurs_at": "2030-02-01T01:30:00Z", "to": "2030-02-01T03:00:00Z"}
        }


class NewBackfillSerializer(ActionSerializer):
    """Which range to fire."""

    to = InstantField(help_text="The last nominal time, inclusive; not in the future.")
    priority = StrictIntegerField(
        min_value=0, max_value=9, default=BACKFILL_PRIORITY, help_text="Of the tasks; 9 is the least urgent."
    )
    dry_run = StrictBooleanField(default=False, help_text="true: only count, create nothing.")

    class Meta:
        ref_name = "NewBackfill"
        swagger_schema_fields = {
            "example": {"from": "2030-01-01T00:00:00Z", "to": "2030-01-15T00:00:00Z", "priority": 9}
        }

    def get_fields(self) -> dict[str, serializers.Field]:
        # `from` is a word of Python's own.
        first = InstantField(help_text="The first nominal time, inclusive.")
        return {"from": first, **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["to"] < attrs["from"]:
            raise fault("to", "It lies before `from`; give a later time.", "too_early")
        if attrs["to"] > timezone.now():
            raise fault("to", "It lies in the future; what is to come fires by itself.", "too_late")
        return attrs


class BackfillSerializer(serializers.Serializer):
    """A backfill and how far it has come."""

    backfill_id = serializers.UUIDField()
    task_schedule = serializers.UUIDField(source="task_schedule_id")
    to = InstantField(source="range_to")
    priority = serializers.IntegerField()
    status = serializers.ChoiceField([status.value for status in BackfillStatus])
    total = serializers.IntegerField(help_text="The occurrences of the range, counted when it began.")
    tasks_created = serializers.IntegerField()
    already_fired = serializers.IntegerField(help_text="Occurrences that had a task before.")
    created_at = InstantField()
    finished_at = InstantField(allow_null=True)

    class Meta:
        ref_name = "Backfill"
        swagger_schema_fields = {"example": BACKFILL}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = {"from": InstantField(source="range_from"), **super().get_fields()}
        return {name: fields[name] for name in BACKFILL}


class BackfillDryRunSerializer(serializers.Serializer):
    """What a backfill would fire."""

    total = serializers.IntegerField(help_text="The occurrences of the range.")
    first = InstantField(allow_null=True)
    last = InstantField(allow_null=True)

    class Meta:
        ref_name = "BackfillDryRun"
