"""Tasks belong to projects: nothing of one is seen, changed or told from another."""

from itertools import chain
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from django.core import signing
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks_app import idempotency, pagination, store
from tasks_app.idempotency import Key
from tasks_app.ids import new_id
from tasks_app.models import Task
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import client, client_of, faults, problem

pytestmark = pytest.mark.django_db

MINE, THEIRS = 7, 8
PROJECTS = (1, MINE, THEIRS)
TASK = {"operation": "4+7"}
each_pair = pytest.mark.parametrize(("mine", "theirs"), [(MINE, THEIRS), (MINE, 1), (1, MINE)])


def listed(project_id, **parameters):
    response = client_of(project_id).get("/tasks/", {"page_size": 1000, **parameters})
    assert response.status_code == 200, response.content
    return [UUID(task["task_id"]) for task in response.json()["results"]]


def pages(project_id, path):
    """The ids of each page, from `path` to the end."""
    found, own = [], client_of(project_id)
    while path:
        body = own.get(path).json()
        found.append([UUID(task["task_id"]) for task in body["results"]])
        path = body["next"]
    return found


def rows():
    return list(Task.objects.order_by("task_id").values())


def one_of_each(project_id, **fields):
    """A task of each status that a request can meet, by its status."""
    schedule = uuid4()
    waiting, done, failed, running, later = create(
        new_task(project_id=project_id, priority=9, **fields),
        *(new_task(project_id=project_id, task_schedule=schedule, tags=["red"], **fields) for _ in range(3)),
        new_task(project_id=project_id, run_at=at(3600), **fields),
    )
    claims = {item.task_id: item for item in claim(limit=3)}
    store.finish([ending(claims[done])], at(5))
    store.finish([ending(claims[failed], status="ERROR")], at(6))
    return {"PENDING": waiting, "SUCCESS": done, "ERROR": failed, "STARTED": running, "SCHEDULED": later}


@pytest.mark.parametrize("project_id", PROJECTS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tasks/", TASK),
        ("/tasks/", {**TASK, "unique_key": "k"}),
        ("/tasks/batch-request/", [TASK, TASK]),
        ("/tasks/batch-request/", [TASK, {**TASK, "priority": 1}, {**TASK, "unique_key": "k"}]),
    ],
)
def test_a_task_is_of_the_project_that_its_request_acts_in(project_id, path, body):
    assert client_of(project_id).post(path, body, format="json").status_code == 202
    assert set(Task.objects.values_list("project_id", flat=True)) == {project_id}


def test_who_sends_no_key_acts_in_the_default_project():
    task_id = UUID(client.post("/tasks/", TASK, format="json").json()["task_id"])
    assert [listed(project_id) for project_id in PROJECTS] == [[task_id], [], []]


@pytest.mark.parametrize("project_id", PROJECTS)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"ordering": "created_at"},
        {"ordering": "priority"},
        {"ordering": "run_at"},
        {"ordering": "-run_at"},
        {"ordering": "finished_at"},
        {"ordering": "-finished_at"},
        {"ordering": "finished_at", "status": "SUCCESS"},
        {"status": "PENDING"},
        {"status": "SUCCESS,ERROR"},
        {"status": "STARTED,SCHEDULED"},
        {"queue": "tasks"},
        {"operation": "4+7"},
        {"priority": 5},
        {"priority_min": 1, "priority_max": 9},
        {"tag": "red"},
        {"created_after": "2000-01-01T00:00:00Z"},
        {"created_before": at(1).isoformat()},
        {"finished_after": at(0).isoformat()},
        {"finished_before": at(99).isoformat()},
    ],
)
def test_each_list_shows_its_projects_tasks_and_those_only(project_id, parameters):
    made = {project: one_of_each(project) for project in PROJECTS}
    shown = listed(project_id, **parameters)
    assert shown
    assert set(shown) <= set(made[project_id].values())
    # What one project is shown, the others are shown of theirs.
    names = [{v: k for k, v in made[project].items()} for project in PROJECTS]
    lists = [
        [name[key] for key in listed(project, **parameters)]
        for project, name in zip(PROJECTS, names, strict=True)
    ]
    assert lists[0] == lists[1] == lists[2]


@each_pair
def test_another_projects_schedule_has_no_tasks(mine, theirs):
    schedule = uuid4()
    (own, _) = create(
        new_task(project_id=mine, task_schedule=schedule), new_task(project_id=theirs, task_schedule=schedule)
    )
    assert listed(mine, task_schedule=str(schedule)) == [own]


@pytest.mark.parametrize("stretches", [(1, 2), (2, 5), (1000, 100_000)])
@pytest.mark.parametrize("project_id", PROJECTS)
@pytest.mark.parametrize(
    "query", ["", "&queue=tasks", "&status=PENDING", "&created_after=2000-01-01T00:00:00Z"]
)
@pytest.mark.parametrize("ordering", ["created_at", "-created_at", "priority"])
def test_pages_hold_each_task_of_the_project_once(stretches, project_id, query, ordering, monkeypatch):
    monkeypatch.setattr(pagination, "STRETCHES", stretches)
    new = [new_task(project_id=PROJECTS[number * number % 3], priority=number % 2) for number in range(23)]
    create(*new, now=None)
    for size in (1, 2, 50):
        found = list(chain(*pages(project_id, f"/tasks/?page_size={size}&ordering={ordering}{query}")))
        assert len(found) == len(set(found))
        own = [item for item in new if item.project_id == project_id]
        own.sort(key=lambda item: ((item.priority if ordering == "priority" else 0), item.task_id))
        expected = [item.task_id for item in own]
        assert found == (expected[::-1] if ordering == "-created_at" else expected)


def cursor_of(response):
    return parse_qs(urlsplit(response.json()["next"]).query)["cursor"][0]


@each_pair
@pytest.mark.parametrize("ordering", ["-created_at", "priority"])
def test_another_projects_cursor_is_none(mine, theirs, ordering):
    create(*(new_task(project_id=project) for project in (mine, theirs) * 3))
    theirs_cursor = cursor_of(client_of(theirs).get("/tasks/", {"page_size": 1, "ordering": ordering}))
    answer = client_of(mine).get("/tasks/", {"cursor": theirs_cursor, "ordering": ordering})
    assert faults(answer) == {("cursor", "invalid")}


def test_a_cursor_that_leads_on_behind_others_tasks_does_not_name_them(monkeypatch):
    monkeypatch.setattr(pagination, "STRETCHES", (2, 3))
    create()
    others = create(*(new_task(project_id=MINE) for _ in range(9)))
    for query in ("", "queue=tasks&"):
        page = client.get(f"/tasks/?{query}page_size=1")
        assert page.json()["results"] == []
        place = signing.loads(cursor_of(page), salt="cursor:tasks_app.Task:-created_at")[2]
        assert place not in map(str, others)


def test_the_default_project_alone_reads_its_list_in_one_query_without_a_stretch():
    create(*(new_task() for _ in range(5)))
    with CaptureQueriesContext(connection) as queries:
        assert len(listed(1)) == 5
    assert len(queries) == 1


# What tells of a task: the address that names it, by method.
@each_pair
@pytest.mark.parametrize("status", ["PENDING", "SUCCESS", "ERROR", "STARTED", "SCHEDULED"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("delete", ""), ("post", "cancel/"), ("post", "retry/")],
)
def test_another_projects_task_answers_as_none(mine, theirs, status, method, path):
    foreign, missing = one_of_each(theirs)[status], new_id()
    before = rows()
    answers, asked = [], []
    for task_id in (foreign, missing):
        with CaptureQueriesContext(connection) as queries:
            response = getattr(client_of(mine), method)(f"/tasks/{task_id}/{path}")
        asked.append([query["sql"].split('"')[0] for query in queries])
        body = problem(response, 404)
        answers.append({**body, "detail": body["detail"].replace(str(task_id), "ID")})
    assert answers[0] == answers[1]
    assert asked[0] == asked[1]
    assert rows() == before


@pytest.mark.parametrize("project_id", PROJECTS)
def test_a_project_reads_and_changes_its_own(project_id):
    own, made = client_of(project_id), one_of_each(project_id)
    assert own.get(f"/tasks/{made['SUCCESS']}/").json()["attempts"][0]["outcome"] == "SUCCESS"
    assert own.delete(f"/tasks/{made['SCHEDULED']}/").status_code == 204
    assert own.post(f"/tasks/{made['PENDING']}/cancel/").status_code == 200
    assert own.post(f"/tasks/{made['STARTED']}/cancel/").status_code == 202
    repeated = own.post(f"/tasks/{made['SUCCESS']}/retry/")
    assert Task.objects.get(task_id=repeated.json()["task_id"]).project_id == project_id


def test_the_store_itself_holds_a_change_to_the_project():
    made = one_of_each(THEIRS)
    before = rows()
    assert store.cancel(made.values(), project_id=MINE) == set()
    assert store.delete(made["PENDING"], project_id=MINE) is False
    assert store.retry(made["SUCCESS"], project_id=MINE) is None
    assert rows() == before
    assert store.cancel(made.values()) == {made[name] for name in ("PENDING", "STARTED", "SCHEDULED")}


@each_pair
@pytest.mark.parametrize("path", ["/tasks/", "/tasks/batch-request/"])
def test_a_unique_key_is_a_projects_own(mine, theirs, path):
    body = {**TASK, "unique_key": "invoice-7"}
    body = body if path == "/tasks/" else [body]

    def send(project_id):
        answer = client_of(project_id).post(path, body, format="json").json()
        return answer["task_id"] if path == "/tasks/" else answer["tasks"][0]["task_id"]

    first, other = send(theirs), send(mine)
    assert first != other
    assert (send(theirs), send(mine)) == (first, other)
    assert Task.objects.count() == 2


def test_tasks_of_several_projects_that_are_stored_together_find_their_own_holders():
    held = create(*(new_task(project_id=project, unique_key="k") for project in PROJECTS))
    again = create(*(new_task(project_id=project, unique_key="k") for project in (THEIRS, 1, MINE, 9)))
    assert again[:3] == [held[2], held[0], held[1]]
    assert Task.objects.get(task_id=again[3]).project_id == 9


@each_pair
def test_an_idempotency_key_is_a_projects_own(mine, theirs):
    def send(project_id, body):
        headers = {"Idempotency-Key": "k"}
        return client_of(project_id).post("/tasks/", body, format="json", headers=headers)

    first = send(theirs, TASK)
    second = send(mine, {"operation": "1+1"})
    assert (first.status_code, second.status_code) == (202, 202)
    assert "Idempotent-Replayed" not in second.headers
    assert [send(theirs, TASK).content, send(mine, {"operation": "1+1"}).content] == [
        first.content,
        second.content,
    ]
    assert Task.objects.count() == 2


def test_a_key_that_one_project_holds_is_free_for_another(tmp_path, monkeypatch):
    numbers = {idempotency._number(Key("tasks", "k", project)) for project in PROJECTS}
    assert len(numbers) == 3
    assert idempotency._number(Key("tasks", "k")) in numbers
    if connection.vendor == "sqlite":
        monkeypatch.setattr(idempotency, "_lock_file", lambda: tmp_path / "locks")
    with (
        idempotency.hold(Key("tasks", "k", MINE)) as mine,
        idempotency.hold(Key("tasks", "k", THEIRS)) as theirs,
    ):
        assert (mine, theirs) == (True, True)
