"""The start of the task store's app: finds the operations of all apps."""

from typing import Any
from uuid import UUID

from django.apps import AppConfig
from django.conf import settings
from django.db import connection
from django.utils.module_loading import autodiscover_modules

from tasks_app.ids import from_text

_UUID = 2950
"""PostgreSQL's number of the type."""


class TasksAppConfig(AppConfig):
    """Imports each installed app's `operations.py`."""

    name = "tasks_app"
    verbose_name = "Tasks"

    def ready(self) -> None:
        if connection.vendor == "postgresql":
            _read_ids_quickly()
        autodiscover_modules("operations")
        if getattr(settings, "DEBUG_OPERATIONS", False):
            from tasks_app.operations import debug

            debug.register()


def _read_ids_quickly() -> None:
    # Two ids are read for each task that runs, and one for each that is listed.
    from psycopg2 import extensions

    def read(text: str | None, cursor: Any) -> UUID | None:
        return None if text is None else from_text(text)

    extensions.register_type(extensions.new_type((_UUID,), "UUID", read))
