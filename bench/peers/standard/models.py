"""The ORM way: a row per task beside the message, as in most projects that want to see their tasks."""

import uuid

from django.db import models


class Task(models.Model):
    """What a client has submitted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    operation = models.CharField(max_length=200)
    arguments = models.JSONField(default=dict)
    priority = models.SmallIntegerField(default=5)
    status = models.CharField(max_length=9, default="PENDING")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["status", "priority"])]
