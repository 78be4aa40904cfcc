"""Task schedules as JSON: what a request may say, and what an answer shows."""

from datetime import UTC, datetime
from typing import Any, cast

from drf_yasg.utils import swagger_serializer_method
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from schedules_app import queries
from schedules_app.examples import NEW_SCHEDULE, OCCURRENCE, SCHEDULE
from schedules_app.models import VERDICTS, Occurrence, TaskSchedule
from schedules_app.queries import ScheduleStatus
from schedules_app.recurrence import InvalidRecurrence, Rule
from tasks_app.fields import InstantField, StrictCharField, StrictIntegerField
from tasks_app.task_template import TaskTemplateFields, validate_template

RECURRENCES = ("every_x_days", "every_x_hours")
RULE_FIELDS = (*RECURRENCES, "timezone", "starts_at", "ends_at")
FILLED_IN = ("queue", "max_attempts", "timeout_seconds")
"""Fields of which null means: as the operation or the service says."""

TEMPLATE_FIELDS = ("operation", "arguments", *FILLED_IN)


def as_validation_error(error: InvalidRecurrence) -> ValidationError:
    """The fault of a rule as that of a request's field."""
    return ValidationError({error.field: [ErrorDetail(error.message, code="invalid_recurrence")]})


class NewScheduleSerializer(TaskTemplateFields):
    """What a request says about a task schedule."""

    name = StrictCharField(
        max_length=200, allow_blank=True, default="", help_text="For people; it need not be unique."
    )
    every_x_days = StrictIntegerField(
        min_value=1,
        max_value=36_525,
        allow_null=True,
        default=None,
        help_text="Calendar days at the same wall-clock time in `timezone`; adds up with `every_x_hours`.",
    )
    every_x_hours = StrictIntegerField(
        min_value=1,
        max_value=876_600,
        allow_null=True,
        default=None,
        help_text="Elapsed hours; give this, `every_x_days` or both.",
    )
    schedule_x_times = StrictIntegerField(
        min_value=1,
        max_value=2**31 - 1,
        allow_null=True,
        default=None,
        help_text="How many tasks it creates at most; skipped occurrences do not count. null: no limit.",
    )
    timezone = StrictCharField(
        max_length=64, default="UTC", help_text="IANA name whose wall clock `every_x_days` follows."
    )
    starts_at = InstantField(
        required=False,
        allow_null=True,
        help_text="The first occurrence, from which all others are counted; if null or left out: now.",
    )
    ends_at = InstantField(
        allow_null=True, default=None, help_text="No occurrence after this time; one at it still counts."
    )

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
        given = {name: attrs[name] for name in RULE_FIELDS if name in attrs}
        if self.instance is not None and not given:
            return attrs
        rule = {**_columns(self.instance, RULE_FIELDS), **given} if self.instance else given
        if not any(rule.get(name) for name in RECURRENCES):
            message = f"A schedule needs at least one of {' and '.join(RECURRENCES)}."
            raise ValidationError({RECURRENCES[0]: [ErrorDetail(message, code="recurrence_required")]})
        try:
            Rule(
                starts_at=rule.get("starts_at") or datetime.now(UTC),
                timezone=rule["timezone"],
                ends_at=rule["ends_at"],
                days=rule["every_x_days"],
                hours=rule["every_x_hours"],
            )
        except InvalidRecurrence as error:
            raise as_validation_error(error) from None
        return attrs


def _columns(schedule: TaskSchedule, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(schedule, name) for name in names}


class ScheduleSerializer(NewScheduleSerializer):
    """A task schedule. Every answer has every field; a request may set those of NewTaskSchedule."""

    task_schedule_id = serializers.UUIDField(read_only=True)
    status = serializers.SerializerMethodField(
        help_text="ACTIVE, PAUSED, or FINISHED when no occurrence is left."
    )
    next_run_at = InstantField(
        read_only=True, allow_null=True, help_text="The first occurrence that has no verdict yet."
    )
    last_run_at = InstantField(
        read_only=True, allow_null=True, help_text="The nominal time of the latest occurrence with a task."
    )
    tasks_created = serializers.IntegerField(read_only=True)
    paused_at = InstantField(read_only=True, allow_null=True)
    pause_note = serializers.CharField(
        read_only=True, help_text="Why it is paused, when the service paused it."
    )
    revision = serializers.IntegerField(read_only=True, help_text="Goes up with every change.")
    created_at = InstantField(read_only=True)
    updated_at = InstantField(read_only=True, help_text="When it was last changed; firing is no change.")

    class Meta:
        ref_name = "TaskSchedule"
        swagger_schema_fields = {"example": SCHEDULE}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        return {**{name: fields[name] for name in SCHEDULE}, **fields}

    @swagger_serializer_method(serializers.ChoiceField([s.value for s in ScheduleStatus]))
    def get_status(self, schedule: TaskSchedule) -> str:
        return queries.status_of(schedule).value


class OccurrenceSerializer(serializers.Serializer):
    """One nominal time of a schedule and what became of it.

    After a long outage one SKIPPED entry may stand for a run of `count` occurrences, from `occurs_at` to
    `last_occurs_at`.
    """

    occurs_at = InstantField(read_only=True, help_text="The nominal time.")
    verdict = serializers.ChoiceField(VERDICTS, read_only=True)
    reason = serializers.CharField(
        read_only=True, help_text="Why it was skipped: missed, paused, rule_changed."
    )
    lateness_seconds = serializers.SerializerMethodField(
        help_text="From the nominal time to the verdict; for a run of several, from the last one's."
    )
    decided_at = InstantField(read_only=True)
    task_id = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The task; it may have been pruned since."
    )
    count = serializers.IntegerField(read_only=True)
    last_occurs_at = InstantField(read_only=True, allow_null=True)
    revision = serializers.IntegerField(read_only=True, help_text="The schedule's, when this was decided.")

    class Meta:
        ref_name = "Occurrence"
        swagger_schema_fields = {"example": OCCURRENCE}

    @swagger_serializer_method(serializers.FloatField())
    def get_lateness_seconds(self, occurrence: Occurrence) -> float:
        nominal = occurrence.last_occurs_at or occurrence.occurs_at
        return (occurrence.decided_at - nominal).total_seconds()
