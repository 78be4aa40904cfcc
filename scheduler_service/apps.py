"""The Django app of the service itself."""

from django.apps import AppConfig
from django.conf import settings

from scheduler_service import logs, telemetry
from scheduler_service.metrics import counts


class SchedulerServiceConfig(AppConfig):
    """Reports errors and warnings from the moment on that Django is set up, in every process."""

    name = "scheduler_service"

    def ready(self) -> None:
        counts.configure(settings.METRICS_DIR)
        logs.take_warnings(settings.LOGGING)
        telemetry.report_errors(settings.CONFIG)
