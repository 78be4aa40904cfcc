"""Tasks with a `callback_url`, over HTTP, for the tests of callbacks."""

from typing import Any

from tests.integration.http import get, post

URL = "https://hooks.example.com/ended?key=7"


def log_of(task_id: Any) -> list[dict[str, Any]]:
    response = get(f"/tasks/{task_id}/callbacks/")
    assert response.status_code == 200
    return response.json()["results"]


def submitted(url: str, operation: str = "4+7", **others: Any) -> str:
    response = post("/tasks/", {"operation": operation, "callback_url": url, **others})
    assert response.status_code == 202, response.content
    return response.json()["task_id"]
