"""The start of the task store's app: finds the operations of all apps."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import autodiscover_modules


class TasksAppConfig(AppConfig):
    """Imports each installed app's `operations.py`."""

    name = "tasks_app"
    verbose_name = "Tasks"

    def ready(self) -> None:
        autodiscover_modules("operations")
        if getattr(settings, "DEBUG_OPERATIONS", False):
            from tasks_app.operations import debug

            debug.register()
