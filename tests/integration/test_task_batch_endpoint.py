"""POST /tasks/batch-request/."""

import time
from typing import Any

import pytest

from tasks_app import alike
from tasks_app.models import Task
from tests.integration.http import client, faults, post, post_raw, problem

PATH = "/tasks/batch-request/"
GOOD = {"operation": "4+7"}

pytestmark = pytest.mark.django_db


def test_all_items_are_created_in_their_order():
    response = post(PATH, [{**GOOD, "priority": priority} for priority in (3, 1, 2)])
    assert response.status_code == 202
    body = response.json()
    assert [task["priority"] for task in body["tasks"]] == [3, 1, 2]
    assert body["errors"] == []
    assert Task.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_one_ring_is_sent_for_a_whole_batch(rings):
    post(PATH, [GOOD] * 30)
    assert rings == ["tasks"]


def test_wrong_items_are_told_by_index_and_the_others_created():
    body = post(PATH, [{"operation": "nope"}, GOOD, 7, None, {**GOOD, "priority": 99}]).json()
    assert [task["operation"] for task in body["tasks"]] == ["4+7"]
    told = {
        item["index"]: [(fault["code"], fault["pointer"]) for fault in item["errors"]]
        for item in body["errors"]
    }
    assert told == {
        0: [("unknown_operation", "#/0/operation")],
        2: [("invalid", "#/2")],
        3: [("null", "#/3")],
        4: [("max_value", "#/4/priority")],
    }


def test_nothing_is_created_when_nothing_is_valid():
    assert faults(post(PATH, [{}, {"operation": "nope"}])) == {
        ("#/0/operation", "required"),
        ("#/1/operation", "unknown_operation"),
    }


def test_an_atomic_batch_is_all_or_nothing():
    assert faults(post(f"{PATH}?atomic=true", [GOOD, {}])) == {("#/1/operation", "required")}
    assert not Task.objects.exists()
    assert post(f"{PATH}?atomic=true", [GOOD, GOOD]).status_code == 202
    assert Task.objects.count() == 2


def test_an_empty_batch_creates_nothing():
    response = post(PATH, [])
    assert (response.status_code, response.json()) == (202, {"tasks": [], "errors": [], "batch_id": None})


@pytest.mark.parametrize("body", [{}, {"tasks": [GOOD]}, "text", 5, True])
def test_a_body_that_is_not_an_array_is_refused(body):
    assert faults(post(PATH, body)) == {("#", "not_an_array")}


def test_an_empty_body_is_refused():
    assert faults(post_raw(PATH, b"")) == {("#", "not_an_array")}


@pytest.mark.parametrize("value", ["1", "True", "yes", "%00"])
def test_atomic_is_true_or_false(value):
    assert faults(post(f"{PATH}?atomic={value}", [GOOD])) == {("atomic", "invalid")}


@pytest.mark.parametrize(
    ("query", "code"),
    [("atomic=", "blank"), ("atomic=true&atomic=false", "repeated"), ("x=1", "unknown_parameter")],
)
def test_a_doubtful_query_is_refused(query, code):
    assert {found for _, found in faults(post(f"{PATH}?{query}", [GOOD]))} == {code}


def test_the_largest_batch_is_created_in_reasonable_time():
    started = time.monotonic()
    response = post(PATH, [GOOD] * 10_000)
    assert len(response.json()["tasks"]) == 10_000
    # About two seconds on two cores; a validation that builds its serializer per item takes a minute.
    assert time.monotonic() - started < 20


def test_a_batch_that_is_too_long_is_refused_with_the_limit():
    assert "10000" in problem(post(PATH, [GOOD] * 10_001), 400)["detail"]
    assert not Task.objects.exists()


def test_it_exists_under_the_versioned_path_too():
    assert post(f"/api/v1{PATH}", [GOOD]).status_code == 202


def test_it_takes_no_other_method():
    problem(client.get(PATH), 405)


SHAPES = [
    [GOOD] * 3,
    [{"operation": "arithmetic", "arguments": {"expression": f"{n} + 1"}, "priority": n} for n in range(3)],
    [
        {"operation": operation, "tags": tags, "queue": queue, "run_at": run_at, "timeout_seconds": timeout}
        for operation, tags, queue, run_at, timeout in (
            ("4+7", ["a", '"\\%é\u2028'], "mail", None, 1),
            ("1+1", [], None, "2020-01-01T00:00:00Z", None),
            ("4+7", ["b"], "tasks", "2990-01-01T00:00:00+02:00", 0.5),
        )
    ],
    [
        {
            **GOOD,
            "run_at": "2990-01-01T00:00:00Z",
            "expires_at": "2991-01-01T00:00:00Z",
            "retry_base_seconds": 7,
        }
    ]
    * 2,
]
OF_ITS_MOMENT = ("task_id", "created_at", "batch_id")


def stored_and_answered(items: list[dict[str, Any]]) -> list[Any]:
    """What is told and kept of each task, without what differs from one request to the next."""
    answer = post(PATH, items).json()
    assert answer.pop("errors") == []
    batch_id = answer.pop("batch_id")
    shown = []
    for told in answer["tasks"]:
        row = Task.objects.filter(task_id=told["task_id"]).values().get()
        is_now = row["run_at"] == row["created_at"]
        assert told["batch_id"] == str(row["batch_id"]) == batch_id
        assert (told["run_at"] == told["created_at"]) == is_now
        gone = {*OF_ITS_MOMENT, "run_at"} if is_now else {*OF_ITS_MOMENT}
        shown.append([{name: each[name] for name in each.keys() - gone} for each in (told, row)])
    return shown


@pytest.mark.parametrize("items", SHAPES, ids=range(len(SHAPES)))
def test_items_of_one_shape_are_stored_and_answered_as_each_of_them_would_be(items, monkeypatch):
    together = stored_and_answered(items)
    monkeypatch.setattr(alike, "read", lambda *batch: None)
    assert together == stored_and_answered(items)


@pytest.mark.django_db(transaction=True)
def test_each_queue_that_got_due_work_is_rung_once_for_items_of_one_shape(rings):
    later = "2990-01-01T00:00:00Z"
    places = [("a", None), ("b", None), ("c", later), ("b", later), ("a", None)]
    post(PATH, [{**GOOD, "queue": queue, "run_at": run_at} for queue, run_at in places])
    assert rings == ["a", "b"]


def test_a_batch_of_one_shape_is_answered_again_by_its_key():
    first, again = (
        client.post(PATH, [GOOD] * 2, format="json", headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert first.content == again.content
    assert Task.objects.count() == 2
