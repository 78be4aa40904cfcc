"""GET /tasks/?ids=…: many tasks at once."""

from itertools import chain
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks_app import pagination, store
from tasks_app.ids import new_id
from tasks_app.lifecycle import Status
from tasks_app.query_fields import MOST_IDS
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import MISSING_ID, client, client_of, faults, get

pytestmark = pytest.mark.django_db


def comma(task_ids):
    return ",".join(map(str, task_ids))


def ids(response):
    assert response.status_code == 200, response.content
    return [task["task_id"] for task in response.json()["results"]]


def listed(task_ids, **parameters):
    return ids(get("/tasks/", ids=comma(task_ids), **parameters))


def texts(task_ids):
    return list(map(str, task_ids))


def test_the_tasks_with_these_ids_are_listed_newest_first():
    created = create(*(new_task() for _ in range(6)))
    assert listed([created[0], created[4], created[2]]) == texts([created[4], created[2], created[0]])


def test_ids_that_no_task_has_are_left_out():
    (task_id,) = create()
    assert listed([MISSING_ID, task_id, new_id()]) == [str(task_id)]
    assert listed([MISSING_ID]) == []


def test_an_id_may_come_twice_in_both_ways_and_in_capitals():
    (one, two, _) = create(*(new_task() for _ in range(3)))
    response = client.get(f"/tasks/?ids={one},{one}&ids={two},%20{str(one).upper()}")
    assert ids(response) == texts([two, one])


def test_results_of_many_come_in_one_query():
    create(*(new_task() for _ in range(5)))
    claims = claim()
    store.finish([ending(item, result=number) for number, item in enumerate(claims)], at(5))
    with CaptureQueriesContext(connection) as queries:
        results = get("/tasks/", ids=comma(item.task_id for item in claims)).json()["results"]
    assert {task["result"] for task in results} == set(range(5))
    assert len(queries) == 1


@pytest.mark.parametrize(
    "ordering", ["created_at", "-created_at", "priority", "finished_at", "-finished_at", "run_at"]
)
def test_pages_of_chosen_tasks_hold_each_once_in_order(ordering):
    created = create(*(new_task(priority=number % 3) for number in range(9)))
    claims = claim(limit=9) + claim(limit=9) + claim(limit=9)
    for number, item in enumerate(claims):
        kind = {"status": Status.ERROR} if number % 2 else {}
        store.finish([ending(item, **kind)], at(10 + number // 2))
    chosen = created[1:8]
    whole = listed(chosen, ordering=ordering)
    assert sorted(whole) == texts(chosen)
    path, found = f"/tasks/?ids={comma(chosen)}&page_size=3&ordering={ordering}", []
    while path:
        response = client.get(path)
        found.append(ids(response))
        path = response.json()["next"]
    assert list(chain(*found)) == whole
    assert len(found) == 3


def test_ids_combine_with_other_filters():
    (mail, other, third) = create(new_task(queue="mail"), new_task(priority=1), new_task(queue="mail"))
    store.cancel([third])
    chosen = [mail, other, third]
    assert listed(chosen, queue="mail") == texts([third, mail])
    assert listed(chosen, status="PENDING") == texts([other, mail])
    assert listed(chosen, status="CANCELLED,SUCCESS") == texts([third])
    assert listed(chosen, priority=1, queue="mail") == []
    assert listed([other], created_after="2000-01-01T00:00:00Z") == [str(other)]


def test_chosen_tasks_are_found_behind_any_number_of_others(monkeypatch):
    monkeypatch.setattr(pagination, "STRETCHES", (2, 3))
    (old, *_) = create(*(new_task(queue="mail") for _ in range(20)))
    assert listed([old]) == listed([old], queue="mail") == [str(old)]
    assert listed([old], queue="tasks") == []


def test_chosen_tasks_of_other_projects_are_left_out():
    (own, other) = create(new_task(project_id=7), new_task())
    for sender, shown in ((client, other), (client_of(7), own), (client_of(8), None)):
        for ordering in ("-created_at", "priority"):
            answer = sender.get("/tasks/", {"ids": comma([own, other]), "ordering": ordering})
            assert ids(answer) == texts([shown] if shown else [])


def test_as_many_ids_as_are_allowed_fit_into_a_request_line_with_the_way_on():
    created = create(*(new_task() for _ in range(MOST_IDS)))
    response = client.get(f"/tasks/?ids={comma(created)}&page_size=100&status=PENDING")
    assert len(ids(response)) == 100
    following = urlsplit(response.json()["next"])
    assert len(f"GET /api/v1{following.path}?{following.query} HTTP/1.1\r\n") < 8190
    assert len(ids(client.get(response.json()["next"]))) == 100


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("ids=" + ",".join(str(new_id()) for _ in range(MOST_IDS + 1)), "too_many"),
        ("ids=nope", "invalid"),
        (f"ids={MISSING_ID},", "invalid"),
        (f"ids={MISSING_ID};{MISSING_ID}", "invalid"),
        (f"ids={{{MISSING_ID}}}", "invalid"),
        (f"ids={MISSING_ID.replace('-', '')}", "invalid"),
        ("ids=%00", "invalid"),
        ("ids=", "blank"),
    ],
)
def test_wrong_ids_are_refused(query, code):
    assert faults(client.get(f"/tasks/?{query}")) == {("ids", code)}
