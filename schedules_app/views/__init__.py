"""Task schedules over HTTP. Thin: serializers check, the store writes, queries read."""

from schedules_app.views.actions import (
    ScheduleMoveView,
    SchedulePauseView,
    ScheduleRestoreView,
    ScheduleResumeView,
    ScheduleSkipNextView,
    ScheduleTriggerView,
)
from schedules_app.views.backfills import BackfillCancelView, BackfillDetailView, BackfillListView
from schedules_app.views.calendars import CalendarDetailView, CalendarListView
from schedules_app.views.previews import ForecastView, NewSchedulePreviewView, SchedulePreviewView
from schedules_app.views.schedules import (
    ScheduleDetailView,
    ScheduleListView,
    ScheduleOccurrencesView,
    ScheduleTasksView,
)

__all__ = [
    "BackfillCancelView",
    "BackfillDetailView",
    "BackfillListView",
    "CalendarDetailView",
    "CalendarListView",
    "ForecastView",
    "NewSchedulePreviewView",
    "ScheduleDetailView",
    "ScheduleListView",
    "ScheduleMoveView",
    "ScheduleOccurrencesView",
    "SchedulePauseView",
    "SchedulePreviewView",
    "ScheduleRestoreView",
    "ScheduleResumeView",
    "ScheduleSkipNextView",
    "ScheduleTasksView",
    "ScheduleTriggerView",
]
