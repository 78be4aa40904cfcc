"""The Django app of the service itself."""

from django.apps import AppConfig
from django.conf import settings

from scheduler_service import telemetry


class SchedulerServiceConfig(AppConfig):
    """Reports errors from the moment on that Django is set up, in every process."""

    name = "scheduler_service"

    def ready(self) -> None:
        telemetry.report_errors(settings.CONFIG)
