"""Addresses of task schedules, calendars and the forecast."""

from django.urls import path

from schedules_app import views

_ONE = "task-schedules/<str:schedule_id>/"
_BACKFILL = f"{_ONE}backfills/<str:backfill_id>/"

urlpatterns = [
    path("task-schedules/", views.ScheduleListView.as_view(), name="schedule-list"),
    # Before the ids: no id is spelled like this.
    path("task-schedules/preview/", views.NewSchedulePreviewView.as_view(), name="schedule-preview-new"),
    path(_ONE, views.ScheduleDetailView.as_view(), name="schedule-detail"),
    path(f"{_ONE}pause/", views.SchedulePauseView.as_view(), name="schedule-pause"),
    path(f"{_ONE}resume/", views.ScheduleResumeView.as_view(), name="schedule-resume"),
    path(f"{_ONE}trigger/", views.ScheduleTriggerView.as_view(), name="schedule-trigger"),
    path(f"{_ONE}skip-next/", views.ScheduleSkipNextView.as_view(), name="schedule-skip-next"),
    path(f"{_ONE}move/", views.ScheduleMoveView.as_view(), name="schedule-move"),
    path(f"{_ONE}restore/", views.ScheduleRestoreView.as_view(), name="schedule-restore"),
    path(f"{_ONE}preview/", views.SchedulePreviewView.as_view(), name="schedule-preview"),
    path(f"{_ONE}backfills/", views.BackfillListView.as_view(), name="backfill-list"),
    path(_BACKFILL, views.BackfillDetailView.as_view(), name="backfill-detail"),
    path(f"{_BACKFILL}cancel/", views.BackfillCancelView.as_view(), name="backfill-cancel"),
    path(f"{_ONE}tasks/", views.ScheduleTasksView.as_view(), name="schedule-tasks"),
    path(f"{_ONE}occurrences/", views.ScheduleOccurrencesView.as_view(), name="schedule-occurrences"),
    path("calendars/", views.CalendarListView.as_view(), name="calendar-list"),
    path("calendars/<str:name>/", views.CalendarDetailView.as_view(), name="calendar-detail"),
    path("forecast/", views.ForecastView.as_view(), name="forecast"),
]
