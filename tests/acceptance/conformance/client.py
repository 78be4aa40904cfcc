"""Who sends single requests with one key, and what a project has one of each kind of."""

import http.client
import json
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from launcher.processes import LOOPBACK

LATER = "2030-01-01T00:00:00Z"
RANGE = {"from": "2025-01-01T00:00:00Z", "to": "2025-01-02T00:00:00Z"}
CHANGING = {"date", "x-request-id", "content-length"}


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True)
class Answer:
    """What a request got."""

    status: int
    headers: dict[str, str]
    body: Any

    def without(self, *ids: str) -> "Answer":
        """As it would read about any other id."""
        text = json.dumps(self.body)
        for one in ids:
            text = text.replace(one, "ID")
        headers = {name: value for name, value in self.headers.items() if name not in CHANGING}
        return replace(self, headers=headers, body=json.loads(text))


@dataclass(frozen=True)
class Client:
    """Sends single requests, and expects nothing."""

    port: int
    headers: dict[str, str]

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            data = None if body is None else json.dumps(body)
            sent = {"Content-Type": "application/json", **self.headers, **headers}
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            text = response.read()
            shown = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, shown, json.loads(text) if text else None)
        finally:
            connection.close()


@dataclass(frozen=True)
class Things:
    """One of each kind that a project has, by the parameters of paths."""

    schedule_id: str
    backfill_id: str
    task_id: str
    name: str

    @classmethod
    def made(cls, client: Client) -> "Things":
        """New ones. The schedule's next occurrence is less than a day away, the task waits for years."""
        schedule = {"operation": "4+7", "every_x_days": 1, "starts_at": "2025-01-01T00:00:00Z"}
        schedule_id = client.send("POST", "/task-schedules/", schedule).body["task_schedule_id"]
        backfill = client.send("POST", f"/task-schedules/{schedule_id}/backfills/", RANGE)
        name = f"c-{uuid4()}"
        client.send("POST", "/calendars/", {"name": name})
        task = client.send("POST", "/tasks/", {"operation": "4+7", "run_at": LATER, "unique_key": name})
        return cls(schedule_id, backfill.body["backfill_id"], task.body["task_id"], name)

    @classmethod
    def nowhere(cls) -> "Things":
        """What nobody has."""
        return cls(*(str(uuid4()) for _ in range(3)), f"c-{uuid4()}")
