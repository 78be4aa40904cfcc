"""GET /tasks/{id}/."""

import uuid

import pytest

from tasks_app import queries, store
from tasks_app.lifecycle import Outcome, Status
from tasks_app.serializers import AttemptSerializer
from tests.integration.helpers import at, claim, create, ending
from tests.integration.http import MISSING_ID, client, faults, get, problem

pytestmark = pytest.mark.django_db


def read(task_id):
    response = get(f"/tasks/{task_id}/")
    assert response.status_code == 200
    return response.json()


def test_a_new_task_has_no_attempts():
    (task_id,) = create()
    body = read(task_id)
    assert (body["task_id"], body["status"], body["attempts"]) == (str(task_id), "PENDING", [])


def test_a_running_attempt_is_shown_without_an_outcome():
    (task_id,) = create()
    claim(worker="w7", now=at(3))
    body = read(task_id)
    [attempt] = body["attempts"]
    assert body["started_at"] == attempt["started_at"]
    assert (attempt["number"], attempt["worker"]) == (1, "w7")
    assert (attempt["outcome"], attempt["finished_at"], attempt["error"]) == (None, None, None)


def test_attempts_are_shown_oldest_first_with_the_running_one_last():
    (task_id,) = create()
    failure = ending(claim(now=at(0))[0], Status.RETRY, outcome=Outcome.ERROR, error={"code": "boom"})
    store.finish([failure], at(1))
    store.promote(at(2))
    claim(now=at(3))
    attempts = read(task_id)["attempts"]
    assert [(one["number"], one["outcome"]) for one in attempts] == [(1, "ERROR"), (2, None)]
    assert attempts[0]["error"] == {"code": "boom"}


def test_an_attempt_shows_what_its_fields_make_of_it():
    (task_id,) = create()
    failure = ending(claim(now=at(0))[0], Status.RETRY, outcome=Outcome.ERROR, error={"code": "boom"})
    store.finish([failure], at(1))
    [attempt] = queries.attempts_of(queries.find(task_id, 1))
    fields = AttemptSerializer().fields
    expected = {name: field.to_representation(getattr(attempt, name)) for name, field in fields.items()}
    assert read(task_id)["attempts"] == [expected]


def test_a_finished_task_shows_its_result_and_when():
    (task_id,) = create()
    store.finish([ending(claim(now=at(1))[0], result={"sum": 11})], at(2))
    body = read(task_id)
    assert (body["status"], body["result"]) == ("SUCCESS", {"sum": 11})
    assert body["finished_at"] == "2030-01-01T12:00:02.000000Z"
    assert [one["outcome"] for one in body["attempts"]] == ["SUCCESS"]


def test_an_id_in_capitals_is_the_same_id():
    (task_id,) = create()
    assert read(str(task_id).upper())["task_id"] == str(task_id)


def test_an_unknown_id_is_not_found():
    assert MISSING_ID in problem(get(f"/tasks/{MISSING_ID}/"), 404)["detail"]


@pytest.mark.parametrize(
    "text", ["1", "nope", uuid.uuid4().hex, "%00", "%F0%9F%98%80", f"{MISSING_ID}%0A", "{}"]
)
def test_a_malformed_id_is_not_found(text):
    problem(get(f"/tasks/{text}/"), 404)


@pytest.mark.parametrize("suffix", ["", "cancel/", "retry/"])
def test_a_query_parameter_is_refused_before_anything_changes(suffix):
    (task_id,) = create()
    response = client.generic("POST" if suffix else "GET", f"/tasks/{task_id}/{suffix}?force=1")
    assert faults(response) == {("force", "unknown_parameter")}
    assert read(task_id)["status"] == "PENDING"


def test_head_and_options_are_answered():
    (task_id,) = create()
    assert client.head(f"/tasks/{task_id}/").status_code == 200
    assert client.options(f"/tasks/{task_id}/").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_other_methods_are_refused_with_those_that_are_taken(method):
    response = client.generic(method, f"/tasks/{MISSING_ID}/")
    assert "GET, DELETE" in problem(response, 405)["detail"]
    assert "DELETE" in response.headers["Allow"]
