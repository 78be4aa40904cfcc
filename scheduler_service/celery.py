"""The Celery application: a doorbell's receiver, not a store. Task state lives in `tasks_app`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_service.settings.development")

app = Celery("scheduler_service")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
