"""Task schedules as JSON: what a request may say, and what an answer shows."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from drf_yasg.utils import swagger_serializer_method
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from schedules_app import queries, recurrence
from schedules_app.examples import NEW_SCHEDULE, SCHEDULE
from schedules_app.firing import shown_rule_of
from schedules_app.models import TaskSchedule
from schedules_app.queries import ScheduleStatus
from schedules_app.records import Alert
from schedules_app.recurrence import InvalidRecurrence, Rule
from schedules_app.serializers.fields import PolicyFields, RecurrenceFields
from schedules_app.serializers.rules import RULE_FIELDS, checked_rule, without_dtstart
from tasks_app.fields import InstantField, StrictCharField, format_instant
from tasks_app.task_template import TaskTemplateFields, validate_template

FILLED_IN = ("queue", "max_attempts", "timeout_seconds")
"""Fields of which null means: as the operation or the service says."""

TEMPLATE_FIELDS = ("operation", "arguments", *FILLED_IN)


class NewScheduleSerializer(TaskTemplateFields, RecurrenceFields, PolicyFields):
    """What a request says about a task schedule: a template, exactly one kind of recurrence, policies.

    `project_id` of the context is the project in which the request acts.
    """

    name = StrictCharField(
        max_length=200, allow_blank=True, default="", help_text="For people; it need not be unique."
    )

    rule: Rule
    """The recurrence that a valid request asks for; there is none if it says nothing about it."""

    class Meta:
        ref_name = "NewTaskSchedule"
        swagger_schema_fields = {"example": NEW_SCHEDULE}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        faults: dict[str, Any] = {}
        for check in (self._with_template, self._with_rule):
            try:
                attrs = check(attrs)
            except ValidationError as error:
                faults.update(cast(dict[str, Any], error.detail))
        if faults:
            raise ValidationError(faults)
        return attrs

    def _with_template(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None:
            return validate_template(attrs)
        is_refilled = any(attrs.get(name, "") is None for name in FILLED_IN)
        if not is_refilled and not {"operation", "arguments"} & attrs.keys():
            # A schedule whose operation has vanished must still take a new priority or end.
            return attrs
        complete = validate_template({**_columns(self.instance, TEMPLATE_FIELDS), **attrs})
        return {**attrs, **{name: complete[name] for name in (*attrs, "arguments")}}

    def _with_rule(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is not None and not attrs.keys() & set(RULE_FIELDS):
            return attrs
        zone = attrs.get("timezone") or cast(TaskSchedule, self.instance).timezone
        attrs = without_dtstart(attrs, self.initial_data, zone)
        self.rule = checked_rule(attrs, self.instance, self.context["project_id"])
        return attrs


class PreviewedScheduleSerializer(NewScheduleSerializer):
    """A new schedule of which only the recurrence is asked for: `operation` may be left out."""

    class Meta:
        ref_name = "PreviewedTaskSchedule"
        swagger_schema_fields = {"example": {"cron": "30 6 * * MON-FRI", "timezone": "Europe/Berlin"}}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        fields["operation"].required = False
        return fields

    def _with_template(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return validate_template(attrs) if "operation" in attrs else attrs


def _columns(schedule: TaskSchedule, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(schedule, name) for name in names}


class OverrideSerializer(serializers.Serializer):
    """An occurrence that a person moved or skipped."""

    occurs_at = InstantField(read_only=True, help_text="The nominal time by the rule.")
    moved_to = InstantField(read_only=True, allow_null=True, help_text="null: it does not fire.")

    class Meta:
        ref_name = "OccurrenceOverride"


class ScheduleSerializer(NewScheduleSerializer):
    """A task schedule. Every answer has every field; a request may set those of NewTaskSchedule."""

    task_schedule_id = serializers.UUIDField(read_only=True)
    description = serializers.CharField(read_only=True, help_text="The recurrence in plain English.")
    status = serializers.SerializerMethodField(
        help_text="ACTIVE, PAUSED, or FINISHED when no occurrence is left."
    )
    next_run_at = InstantField(
        read_only=True, allow_null=True, help_text="The first occurrence that has no verdict yet."
    )
    last_run_at = InstantField(
        read_only=True, allow_null=True, help_text="The nominal time of the latest occurrence with a task."
    )
    tasks_created = serializers.IntegerField(
        read_only=True, help_text="By the recurrence; manual runs and backfills do not count."
    )
    buffered_count = serializers.IntegerField(
        read_only=True, help_text="Occurrences that wait for the end of an earlier task."
    )
    overrides = OverrideSerializer(
        many=True, read_only=True, help_text="Occurrences moved or skipped by hand."
    )
    alerts = serializers.ListField(
        child=serializers.ChoiceField([alert.value for alert in Alert]),
        read_only=True,
        help_text="What needs attention.",
    )
    consecutive_failures = serializers.IntegerField(
        read_only=True, help_text="Tasks that failed or expired since the last that succeeded."
    )
    last_success_at = InstantField(read_only=True, allow_null=True)
    last_failure_at = InstantField(read_only=True, allow_null=True)
    success_overdue_since = InstantField(read_only=True, allow_null=True)
    paused_at = InstantField(read_only=True, allow_null=True)
    paused_until = InstantField(
        read_only=True,
        allow_null=True,
        help_text="When it goes on by itself; null: when somebody resumes it.",
    )
    pause_note = serializers.CharField(read_only=True, help_text="Why it is paused.")
    revision = serializers.IntegerField(read_only=True, help_text="Goes up with every change.")
    created_at = InstantField(read_only=True)
    updated_at = InstantField(read_only=True, help_text="When it was last changed; firing is no change.")

    class Meta:
        ref_name = "TaskSchedule"
        swagger_schema_fields = {"example": SCHEDULE, "required": [*SCHEDULE]}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        return {**{name: fields[name] for name in SCHEDULE}, **fields}

    @swagger_serializer_method(serializers.ChoiceField([s.value for s in ScheduleStatus]))
    def get_status(self, schedule: TaskSchedule) -> str:
        return queries.status_of(schedule).value

    def to_representation(self, instance: TaskSchedule) -> dict[str, Any]:
        # DRF asks each of the many fields for its value, which takes ten times as long; a page has up to 1000 rows.
        return {
            name: _DERIVED[name](instance) if name in _DERIVED else _plain(getattr(instance, name))
            for name in SCHEDULE
        }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_instant(value)
    return str(value) if isinstance(value, UUID) else value


def _description(schedule: TaskSchedule) -> str:
    try:
        return recurrence.describe(shown_rule_of(schedule))
    except InvalidRecurrence as error:
        return f"The rule cannot be followed: {error}"


def _overrides(schedule: TaskSchedule) -> list[dict[str, str | None]]:
    moments = {
        datetime.fromisoformat(old): datetime.fromisoformat(new) if new else None
        for old, new in schedule.overrides.items()
    }
    return [
        {"occurs_at": format_instant(old), "moved_to": format_instant(new) if new else None}
        for old, new in sorted(moments.items())
    ]


_DERIVED: dict[str, Callable[[TaskSchedule], Any]] = {
    "status": lambda schedule: queries.status_of(schedule).value,
    "description": _description,
    "calendars": lambda schedule: sorted(calendar.name for calendar in schedule.calendars.all()),
    "overrides": _overrides,
    "alerts": lambda schedule: [alert.value for alert in queries.alerts_of(schedule)],
}
