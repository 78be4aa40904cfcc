"""The Celery application: a doorbell's receiver, not a store. Task state lives in `tasks_app`."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, task_prerun, worker_process_init, worker_ready
from django.conf import settings
from django.db import close_old_connections
from django.utils.log import configure_logging

from scheduler_service import garbage, telemetry
from scheduler_service.metrics import server as metrics_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_service.settings.development")

app = Celery("scheduler_service")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_prerun.connect(weak=False)
def _drop_broken_connections(**kwargs: Any) -> None:
    # With CELERY_DB_REUSE_MAX set, nothing else would close a connection that the database's restart has broken.
    close_old_connections()


@setup_logging.connect(weak=False)
def _log_as_the_service_does(**kwargs: Any) -> None:
    # A receiver alone keeps Celery from handlers, formats and levels of its own.
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)


@beat_init.connect(weak=False)
@worker_ready.connect(weak=False)
def _serve_metrics(**kwargs: Any) -> None:
    metrics_server.serve(settings.CONFIG, is_open=settings.METRICS_ARE_OPEN)


@beat_init.connect(weak=False)
@worker_process_init.connect(weak=False)
def _trace(**kwargs: Any) -> None:
    telemetry.trace(settings.CONFIG)


@worker_process_init.connect(weak=False)
def _settle(**kwargs: Any) -> None:
    garbage.settle()
