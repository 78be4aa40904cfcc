"""The app of task schedules."""

from django.apps import AppConfig


class SchedulesAppConfig(AppConfig):
    """Task schedules: rules that create tasks."""

    name = "schedules_app"
    verbose_name = "Task schedules"
