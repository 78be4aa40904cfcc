"""Schedules, their occurrences, calendars and backfills as JSON: what a request may say, and what an answer shows."""

from schedules_app.serializers.actions import (
    BackfillDryRunSerializer,
    BackfillSerializer,
    MoveOccurrenceSerializer,
    NewBackfillSerializer,
    PauseSerializer,
    RestoreSerializer,
    ResumeSerializer,
    TriggerSerializer,
)
from schedules_app.serializers.calendars import (
    CalendarChangesSerializer,
    CalendarSerializer,
    NewCalendarSerializer,
)
from schedules_app.serializers.occurrences import (
    DryRunSerializer,
    ForecastSerializer,
    OccurrenceSerializer,
    PreviewSerializer,
)
from schedules_app.serializers.rules import as_validation_error, fault
from schedules_app.serializers.schedules import (
    NewScheduleSerializer,
    PreviewedScheduleSerializer,
    ScheduleSerializer,
)

__all__ = [
    "BackfillDryRunSerializer",
    "BackfillSerializer",
    "CalendarChangesSerializer",
    "CalendarSerializer",
    "DryRunSerializer",
    "ForecastSerializer",
    "MoveOccurrenceSerializer",
    "NewBackfillSerializer",
    "NewCalendarSerializer",
    "NewScheduleSerializer",
    "OccurrenceSerializer",
    "PauseSerializer",
    "PreviewSerializer",
    "PreviewedScheduleSerializer",
    "RestoreSerializer",
    "ResumeSerializer",
    "ScheduleSerializer",
    "TriggerSerializer",
    "as_validation_error",
    "fault",
]
