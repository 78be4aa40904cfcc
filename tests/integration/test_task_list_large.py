"""Lists of rows with large values: a page holds a bounded amount, and nothing is left out for it."""

import json
import random
import uuid
from datetime import date, timedelta
from itertools import chain
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext

from tasks_app import heavy, store
from tasks_app.callbacks import delivery
from tasks_app.lifecycle import Status
from tasks_app.models import Callback, Task
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import client, client_of, get

pytestmark = pytest.mark.django_db

LARGE = 100_000
MOST = 4 * LARGE
"""What a page may hold in these tests: four large values, less than what stands around them."""


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr(heavy, "PAGE_BYTES", MOST)


@pytest.fixture
def fetched(monkeypatch):
    """The characters of text of each answer of the database."""
    sizes = []

    def counting(name):
        def fetch(self, *args):
            rows = getattr(self.cursor, name)(*args)
            sizes.append(sum(len(value) for row in rows or () for value in row if isinstance(value, str)))
            return rows

        return fetch

    for name in ("fetchmany", "fetchall"):
        monkeypatch.setattr(CursorWrapper, name, counting(name), raising=False)
    return sizes


def noise(size):
    """A text that no database makes smaller."""
    return random.Random(size).randbytes(size // 2).hex()


TEXTS = {
    "that is compressed": "x" * LARGE,
    "that is not": noise(LARGE),
    "in other letters": "ä" * (LARGE // 2),
}


def finished(results, **fields):
    """Tasks that ended with these results, oldest first."""
    created = create(*(new_task(**fields) for _ in results))
    known = dict(zip(created, results, strict=True))
    claims = claim(limit=len(known))
    store.finish([ending(item, result=known[item.task_id]) for item in claims], at(5))
    return created


def results(response):
    assert response.status_code == 200, response.content
    return response.json()["results"]


def pages(path, link="next", sender=client):
    found = []
    while path:
        response = sender.get(path)
        found.append(results(response))
        path = response.json()[link]
    return found


def ids(found):
    return [task["task_id"] for task in found]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("column", ["result", "arguments", "error"])
def test_a_page_of_large_rows_ends_early_and_next_goes_on_behind_it(fetched, column, text):
    value = {"message": text}
    if column == "arguments":
        created = create(*(new_task("debug.echo", arguments=value) for _ in range(30)))
    elif column == "result":
        created = finished([value] * 30)
    else:
        created = create(*(new_task() for _ in range(30)))
        failed = [ending(item, Status.ERROR, error=value) for item in claim(limit=30)]
        store.finish(failed, at(5))
    fetched.clear()
    found = pages("/tasks/?page_size=1000")
    assert [task[column] for task in chain(*found)] == [value] * 30
    assert ids(chain(*found)) == [str(task_id) for task_id in created[::-1]]
    # SQLite keeps other letters escaped.
    stored = len(json.dumps(value, ensure_ascii=connection.vendor == "sqlite").encode())
    assert {len(page) for page in found[:-1]} == {MOST // stored}
    assert max(fetched) < 10 * stored


@pytest.mark.parametrize(
    "query",
    [
        "ordering=created_at",
        "ordering=priority",
        "ordering=finished_at",
        "ordering=-finished_at",
        "ordering=-run_at",
        "status=SUCCESS",
        "queue=tasks&page_size=5",
        "page_size=4",
    ],
)
def test_pages_of_large_rows_hold_each_once_and_lead_back(query):
    sizes = [LARGE, 10, LARGE, 10, 10, 3 * LARGE, 2 * LARGE, 10, LARGE, LARGE, LARGE, 10, LARGE, 10]
    created = finished(["x" * size for size in sizes])
    forward = pages(f"/tasks/?{query}")
    assert sorted(ids(chain(*forward))) == sorted(map(str, created))
    assert all(forward)
    path = f"/tasks/?{query}"
    while (following := client.get(path).json()["next"]) is not None:
        path = following
    backward = pages(path, "previous")
    assert all(backward)
    assert ids(chain(*backward[::-1])) == ids(chain(*forward))
    assert {len(task["result"]) for task in chain(*forward)} == set(sizes)


def test_a_row_that_is_larger_than_a_page_is_shown_on_a_page_of_its_own():
    finished(["x", "x" * 5 * MOST, noise(5 * MOST), "x"])
    assert [len(page) for page in pages("/tasks/")] == [2, 2]


def test_chosen_tasks_with_large_results_come_on_several_pages(fetched):
    created = finished([noise(LARGE)] * 25)
    fetched.clear()
    found = pages(f"/tasks/?ids={','.join(map(str, created))}&page_size=200")
    assert ids(chain(*found)) == [str(task_id) for task_id in created[::-1]]
    assert len(found) == 9
    assert max(fetched) < 10 * LARGE


def test_large_rows_of_another_project_are_bounded_too():
    created = finished([noise(LARGE)] * 9, project_id=7)
    found = pages("/tasks/", sender=client_of(7))
    assert ids(chain(*found)) == [str(task_id) for task_id in created[::-1]]
    assert [len(page) for page in found] == [3, 3, 3]


def test_a_page_of_the_real_size_reads_a_bounded_amount(fetched, monkeypatch):
    monkeypatch.setattr(heavy, "PAGE_BYTES", 8 * 2**20)
    created = finished(["x" * 1_000_000] * 40)
    fetched.clear()
    first = get("/tasks/", page_size=1000)
    assert ids(results(first)) == [str(task_id) for task_id in created[:-9:-1]]
    assert sum(fetched) < 2 * 8 * 2**20
    assert len(results(client.get(first.json()["next"]))) == 8


def test_small_rows_among_large_ones_are_read_at_once_and_large_ones_in_portions(monkeypatch):
    finished([noise(LARGE // 100) if number % 10 else "x" * (LARGE // 10) for number in range(200)])
    with CaptureQueriesContext(connection) as queries:
        assert len(results(get("/tasks/", page_size=1000))) == 200
    # PostgreSQL compresses the large ones, and does not say how large they are.
    assert len(queries) <= 1 + 10


@pytest.mark.parametrize(
    "value",
    [None, "", 0, False, [], {}, "null", '""', 1.5, 2**63 - 1, "ä" * 1000, "ä" * 3000, "\u2028", {"": ""}],
    ids=repr,
)
def test_a_list_shows_of_every_value_what_the_task_itself_shows(value):
    (task_id,) = finished([value])
    [task] = results(get("/tasks/"))
    assert task["result"] == value
    assert client.get(f"/tasks/{task_id}/").json()["result"] == value


def test_a_large_row_that_is_deleted_while_the_page_is_read_is_left_out():
    created = create(*(new_task("debug.echo", arguments={"x": "x" * LARGE}) for _ in range(6)))
    newest_first = created[::-1]

    def deleting(execute, statement, parameters, many, context):
        # Between the statement that finds the rows and the first that reads their large values.
        if statement.startswith("SELECT") and "tasks_task" in statement and "page" not in statement:
            removed, newest_first[:3] = newest_first[:3], []
            list(map(store.delete, removed))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(deleting):
        first = get("/tasks/", page_size=3)
    assert results(first) == []
    assert ids(chain(*pages(first.json()["next"]))) == [str(task_id) for task_id in created[2::-1]]


def test_the_way_on_from_a_short_page_fits_into_a_request_line():
    created = finished([noise(LARGE)] * 200)
    path = f"/tasks/?ids={','.join(map(str, created))}&page_size=200&ordering=-finished_at"
    following = urlsplit(client.get(path).json()["next"])
    assert len(f"GET /api/v1{following.path}?{following.query} HTTP/1.1\r\n") < 8190


@pytest.mark.parametrize("ordering", ["created_at", "next_run_at"])
def test_a_page_of_large_schedules_ends_early_and_next_goes_on_behind_it(fetched, ordering):
    arguments = {"x": noise(LARGE)}
    made = [schedule(operation="debug.echo", arguments=arguments) for _ in range(12)]
    fetched.clear()
    found = pages(f"/task-schedules/?ordering={ordering}&page_size=1000")
    assert [row["task_schedule_id"] for row in chain(*found)] == [row["task_schedule_id"] for row in made]
    assert all(row["arguments"] == arguments for row in chain(*found))
    assert [len(page) for page in found] == [3, 3, 3, 3]
    assert max(fetched) < 10 * LARGE


def test_a_page_of_a_schedules_large_tasks_ends_early():
    of = schedule()["task_schedule_id"]
    created = finished([noise(LARGE)] * 7, task_schedule=uuid.UUID(of))
    found = pages(f"/task-schedules/{of}/tasks/")
    assert ids(chain(*found)) == [str(task_id) for task_id in created[::-1]]
    assert [len(page) for page in found] == [3, 3, 1]


def test_a_page_of_large_calendars_ends_early(monkeypatch):
    monkeypatch.setattr(heavy, "PAGE_BYTES", 40_000)
    for number in range(7):
        dates = calendar(f"c{number}")
    found = pages("/calendars/?page_size=1000")
    assert [row["name"] for row in chain(*found)] == [f"c{number}" for number in range(7)]
    assert all(row["dates"] == dates for row in chain(*found))
    assert max(map(len, found)) < 4


def test_a_list_of_schedules_reads_of_their_calendars_the_names_only(fetched, admin_client):
    calendar("holidays")
    alike = {"calendars": ["holidays"], "roll": "next", "starts_at": "2026-01-01T00:00:00Z"}
    made = [schedule(**alike) for _ in range(9)]
    shown = client.get(f"/task-schedules/{made[0]['task_schedule_id']}/").json()
    fetched.clear()
    rows = results(get("/task-schedules/", ordering="created_at"))
    assert [row["calendars"] for row in rows] == [["holidays"]] * 9
    assert {row["description"] for row in rows} == {shown["description"]}
    assert "“holidays”" in shown["description"]
    assert "“holidays”" in admin_client.get("/admin/schedules_app/taskschedule/").content.decode()
    assert max(fetched) < 9_000, "a calendar has more than that"


def test_the_admins_lists_read_no_large_values(fetched, admin_client):
    finished([noise(LARGE)] * 9, arguments={"x": noise(LARGE)})
    for number in range(9):
        schedule(operation="debug.echo", arguments={"x": noise(LARGE)})
        calendar(f"c{number}")
    fetched.clear()
    for path in ("tasks_app/task", "schedules_app/taskschedule", "schedules_app/calendar"):
        with CaptureQueriesContext(connection) as queries:
            answer = admin_client.get(f"/admin/{path}/?all=")
        assert len(answer.context["cl"].result_list) == 9
        assert len(queries) < 12, "one for each row"
    assert max(fetched) < 9_000


def test_the_admin_shows_the_large_values_of_one_row(admin_client):
    [task_id] = finished([noise(LARGE)])
    assert noise(LARGE) in admin_client.get(f"/admin/tasks_app/task/{task_id}/change/").content.decode()


def test_the_log_of_callbacks_reads_nothing_of_what_they_send(fetched):
    (task_id,) = finished([noise(LARGE)], callback_url="https://hooks.example.com/")
    delivery.deliver()
    sends = Callback.objects.get(task_id=task_id).delivery_task_id
    assert len(noise(LARGE)) <= len(json.dumps(Task.objects.get(pk=sends).arguments))
    for _ in range(5):
        store.cancel([sends])
        sends = store.retry(sends).task_id
    fetched.clear()
    assert len(client.get(f"/tasks/{task_id}/callbacks/").json()["results"]) == 6
    assert sum(fetched) < 2 * LARGE, "the task itself is read"


def calendar(name):
    dates = [str(date(2030, 1, 1) + timedelta(days=number)) for number in range(1000)]
    body = {"name": name, "dates": dates, "rrules": []}
    assert client.post("/calendars/", body, format="json").status_code == 201
    return dates


def schedule(**fields):
    response = client.post(
        "/task-schedules/", {"operation": "4+7", "every_x_hours": 1, **fields}, format="json"
    )
    assert response.status_code == 201, response.content
    return response.json()
