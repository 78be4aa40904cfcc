"""Nobody learns of another project's tasks or changes them: each address of tasks with what another project has."""

import json
from typing import Any

import pytest
from django.http import HttpResponse

from tasks_app import store
from tasks_app.models import Attempt, IdempotencyKey, Task
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import MISSING_ID, client_of, get

pytestmark = pytest.mark.django_db

MINE, THEIRS = 7, 8
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
PREFIXES = ("", "/api/v1")
STATUSES = ("PENDING", "SUCCESS", "ERROR", "STARTED", "SCHEDULED", "CANCELLED")
each_pair = pytest.mark.parametrize(("mine", "theirs"), [(MINE, THEIRS), (MINE, 1), (1, MINE)])


def addresses() -> list[str]:
    """Those that the document has, also one that is added later."""
    return [path for path in get("/swagger.json").json()["paths"] if path.startswith("/tasks/")]


def owned(project_id: int) -> dict[str, str]:
    """The id of a task of each status; all have a tag, and an end that somebody is told of."""
    common: dict[str, Any] = {
        "project_id": project_id,
        "callback_url": "https://hooks.example.com/",
        "tags": ["red"],
    }
    waiting, done, failed, running, later, cancelled = create(
        new_task(priority=9, unique_key="k", **common),
        *(new_task(**common) for _ in range(3)),
        new_task(run_at=at(3600), **common),
        new_task(priority=9, **common),
    )
    claims = {item.task_id: item for item in claim(limit=3)}
    store.finish([ending(claims[done], result="secret"), ending(claims[failed], status="ERROR")], at(5))
    store.cancel([cancelled], at(6))
    return dict(zip(STATUSES, map(str, (waiting, done, failed, running, later, cancelled)), strict=True))


def tables() -> list[Any]:
    models = (Task, Attempt, IdempotencyKey)
    return [list(model.objects.order_by("pk").values()) for model in models]


def told(response: HttpResponse, task_id: str) -> tuple[Any, ...]:
    """All that an answer says, but for the id that its request named."""
    headers = {name: text.replace(task_id, "ID") for name, text in response.headers.items()}
    for name in ("X-Request-ID", "Content-Length"):
        headers.pop(name, None)
    return response.status_code, headers, response.content.decode().replace(task_id, "ID")


@each_pair
@pytest.mark.parametrize("prefix", PREFIXES)
def test_each_address_answers_for_another_projects_task_as_for_none(mine, theirs, prefix):
    foreign = owned(theirs)
    before, sender = tables(), client_of(mine)
    named = [path for path in addresses() if "{" in path]
    assert len(named) >= 4
    for path in named:
        for method in METHODS:
            answers = set()
            for task_id in (MISSING_ID, *foreign.values()):
                response = getattr(sender, method)(prefix + path.replace("{task_id}", task_id))
                answers.add(json.dumps(told(response, task_id), sort_keys=True))
                assert response.status_code in (404, 405) or method == "options", (method, path)
            assert len(answers) == 1, (method, path, answers)
    assert tables() == before


@each_pair
def test_no_query_of_a_list_finds_what_another_project_has(mine, theirs):
    foreign = owned(theirs)
    batch = client_of(theirs).post("/tasks/batch-request/", [{"operation": "4+7"}] * 2, format="json").json()
    sender, everything = client_of(mine), ",".join(foreign.values())
    queries = [
        {},
        {"ids": everything},
        {"ids": foreign["SUCCESS"], "status": "SUCCESS"},
        {"ids": everything, "ordering": "finished_at"},
        {"batch_id": batch["batch_id"]},
        {"batch_id": batch["batch_id"], "ordering": "run_at"},
        {"tag": "red"},
        {"operation": "4+7"},
        *({"status": status} for status in STATUSES),
        *(
            {"ordering": name}
            for name in ("created_at", "priority", "run_at", "-run_at", "finished_at", "-finished_at")
        ),
    ]
    for query in queries:
        empty = {"next": None, "previous": None, "results": []}
        assert sender.get("/tasks/", query).json() == empty, query
        assert client_of(theirs).get("/tasks/", query).json()["results"], query


@each_pair
@pytest.mark.parametrize("path", ["/tasks/", "/tasks/batch-request/"])
def test_what_is_created_beside_another_projects_task_does_not_touch_or_tell_of_it(mine, theirs, path):
    """With the unique key and the idempotency key that the other has."""
    foreign = owned(theirs)
    body: Any = {"operation": "1+1", "unique_key": "k"}
    body = body if path == "/tasks/" else [body]
    sent = {"HTTP_IDEMPOTENCY_KEY": "k"}
    other: Any = {"operation": "9*9"}
    client_of(theirs).post(path, other if path == "/tasks/" else [other], format="json", **sent)
    before = list(Task.objects.filter(project_id=theirs).order_by("pk").values())
    answer = client_of(mine).post(path, body, format="json", **sent)
    assert answer.status_code == 202
    assert "Idempotent-Replayed" not in answer.headers
    assert not any(task_id in answer.content.decode() for task_id in foreign.values())
    assert list(Task.objects.filter(project_id=theirs).order_by("pk").values()) == before
    assert Task.objects.filter(project_id=mine).count() == 1
