"""Changes that somebody makes, for tests of the audit log."""

import json

from access_app.models import AuditEntry
from access_app.principals import Scope
from tests.integration.access import caller, issue

TASK = {"operation": "1+1", "arguments": {}}
SECRET = "a-secret-of-the-arguments"
ECHO = {"operation": "http.request", "arguments": {"url": "https://example.com/", "text": SECRET}}
SCHEDULE = {"operation": "1+1", "every_x_hours": 6}


class Calls:
    """A key's requests."""

    def __init__(self):
        self.issued = issue(*Scope)
        self.client = caller(f"Bearer {self.issued.text}")
        AuditEntry.objects.all().delete()

    def __call__(self, method, path, body=None, status=None, **headers):
        answer = self.client.generic(
            method, path, b"" if body is None else as_json(body), "application/json", headers=headers
        )
        assert answer.status_code == status if status else answer.status_code < 300, answer.content
        return answer.json() if answer.content else None

    def task(self):
        return self("POST", "/tasks/", TASK)["task_id"]

    def ended(self):
        task_id = self.task()
        self("POST", f"/tasks/{task_id}/cancel/")
        return task_id

    def schedule(self, **values):
        return self("POST", "/task-schedules/", {**SCHEDULE, **values})["task_schedule_id"]


def as_json(body):
    return json.dumps(body).encode()


def last():
    return AuditEntry.objects.latest("pk")


def actions():
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
