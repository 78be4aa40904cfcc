"""POST /tasks/batch-request/."""

import time

import pytest

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
    assert (response.status_code, response.json()) == (202, {"tasks": [], "errors": []})


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
