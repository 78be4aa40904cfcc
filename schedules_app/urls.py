"""Addresses of task schedules."""

from django.urls import path

from schedules_app import views

_ONE = "task-schedules/<str:schedule_id>/"

urlpatterns = [
    path("task-schedules/", views.ScheduleListView.as_view(), name="schedule-list"),
    path(_ONE, views.ScheduleDetailView.as_view(), name="schedule-detail"),
    path(f"{_ONE}pause/", views.SchedulePauseView.as_view(), name="schedule-pause"),
    path(f"{_ONE}resume/", views.ScheduleResumeView.as_view(), name="schedule-resume"),
    path(f"{_ONE}tasks/", views.ScheduleTasksView.as_view(), name="schedule-tasks"),
    path(f"{_ONE}occurrences/", views.ScheduleOccurrencesView.as_view(), name="schedule-occurrences"),
]
