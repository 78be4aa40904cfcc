"""Calendars as JSON."""

from typing import Any

from rest_framework import serializers

from schedules_app import recurrence
from schedules_app.examples import CALENDAR, NEW_CALENDAR
from schedules_app.fields import CalendarNameField, DayField, WordsField
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.serializers.rules import as_validation_error
from tasks_app.fields import InstantField, StrictCharField, StrictSerializerMixin

MAX_DATES = 1000
MAX_RRULES = 20
MAX_RRULE_LENGTH = 1000


class CalendarChangesSerializer(StrictSerializerMixin, serializers.Serializer):
    """What a PATCH may change of a calendar."""

    # DRF formats it, so its own braces are doubled.
    default_error_messages = {"invalid": 'Use a JSON object, for example {{"dates": ["2030-12-25"]}}.'}

    description = StrictCharField(max_length=200, allow_blank=True, default="", help_text="For people.")
    dates = WordsField(
        child=DayField(max_length=10),
        max_length=MAX_DATES,
        default=list,
        help_text="Days, as 2030-12-25.",
    )
    rrules = WordsField(
        child=StrictCharField(max_length=MAX_RRULE_LENGTH),
        max_length=MAX_RRULES,
        default=list,
        help_text="RFC 5545 rules of whole days, such as FREQ=WEEKLY;BYDAY=SA,SU.",
    )

    class Meta:
        ref_name = "CalendarChanges"
        swagger_schema_fields = {"example": {"dates": ["2030-12-24", "2030-12-25"]}}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        calendar = recurrence.Calendar("new", tuple(attrs.get("dates", ())), tuple(attrs.get("rrules", ())))
        try:
            recurrence.check_calendar(calendar)
        except InvalidRecurrence as error:
            raise as_validation_error(error) from None
        return attrs


class NewCalendarSerializer(CalendarChangesSerializer):
    """What a request says about a new calendar."""

    name = CalendarNameField(max_length=64, help_text="Unique in its project; it cannot be changed.")

    class Meta:
        ref_name = "NewCalendar"
        swagger_schema_fields = {"example": NEW_CALENDAR}


class CalendarSerializer(serializers.Serializer):
    """A named set of days that schedules of a project share."""

    name = serializers.CharField()
    description = serializers.CharField()
    dates = serializers.ListField(child=serializers.CharField())
    rrules = serializers.ListField(child=serializers.CharField())
    revision = serializers.IntegerField(help_text="Goes up with every change.")
    created_at = InstantField()
    updated_at = InstantField()

    class Meta:
        ref_name = "Calendar"
        swagger_schema_fields = {"example": CALENDAR}
