"""POST /tasks/{id}/cancel/."""

import pytest

from tasks_app import store
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import MISSING_ID, get, post, problem

pytestmark = pytest.mark.django_db


def cancel(task_id):
    return post(f"/tasks/{task_id}/cancel/")


@pytest.mark.parametrize("delay", [0, 60])
def test_a_waiting_task_is_cancelled_at_once(delay):
    (task_id,) = create(new_task(run_at=at(delay)))
    response = cancel(task_id)
    assert (response.status_code, response.json()["status"]) == (200, "CANCELLED")
    assert claim() == []


def test_a_running_task_is_asked_to_stop():
    (task_id,) = create()
    claim()
    response = cancel(task_id)
    assert response.status_code == 202
    assert response.json()["status"] == "STARTED"
    assert response.json()["cancel_requested_at"]


def test_asking_twice_changes_nothing():
    (task_id,) = create()
    claim()
    first, second = cancel(task_id), cancel(task_id)
    assert second.status_code == 202
    assert second.json()["cancel_requested_at"] == first.json()["cancel_requested_at"]


def test_a_finished_task_cannot_be_cancelled():
    (task_id,) = create()
    store.finish([ending(claim()[0])], at(1))
    assert "SUCCESS" in problem(cancel(task_id), 409)["detail"]
    assert get(f"/tasks/{task_id}/").json()["status"] == "SUCCESS"


def test_a_cancelled_task_cannot_be_cancelled_again():
    (task_id,) = create()
    cancel(task_id)
    problem(cancel(task_id), 409)


@pytest.mark.parametrize("task_id", [MISSING_ID, "nope"])
def test_what_does_not_exist_is_not_found(task_id):
    problem(cancel(task_id), 404)


def test_it_takes_no_other_method():
    problem(get(f"/tasks/{MISSING_ID}/cancel/"), 405)
