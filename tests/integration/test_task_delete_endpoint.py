"""DELETE /tasks/{id}/."""

import pytest

from tasks_app import store
from tasks_app.models import Task
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import MISSING_ID, client, problem

pytestmark = pytest.mark.django_db


def delete(task_id):
    return client.delete(f"/tasks/{task_id}/")


@pytest.mark.parametrize("delay", [0, 60])
def test_a_task_that_has_not_begun_is_deleted(delay):
    (task_id,) = create(new_task(run_at=at(delay)))
    response = delete(task_id)
    assert (response.status_code, response.content) == (204, b"")
    assert not Task.objects.exists()


def test_a_running_task_is_not_deleted():
    (task_id,) = create()
    claim()
    assert "STARTED" in problem(delete(task_id), 409)["detail"]
    assert Task.objects.exists()


def test_a_finished_task_is_not_deleted():
    (task_id,) = create()
    store.finish([ending(claim()[0])], at(1))
    assert "SUCCESS" in problem(delete(task_id), 409)["detail"]
    assert Task.objects.exists()


def test_a_task_that_was_released_can_be_deleted():
    (task_id,) = create()
    store.release(claim())
    assert delete(task_id).status_code == 204


@pytest.mark.parametrize("task_id", [MISSING_ID, "nope"])
def test_what_does_not_exist_is_not_found(task_id):
    problem(delete(task_id), 404)
