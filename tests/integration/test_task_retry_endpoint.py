"""POST /tasks/{id}/retry/."""

import pytest

from tasks_app import store
from tasks_app.models import Task
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import MISSING_ID, get, post, problem

pytestmark = pytest.mark.django_db


def retry(task_id):
    return post(f"/tasks/{task_id}/retry/")


def test_a_finished_task_is_repeated_as_a_new_one_that_names_it():
    (task_id,) = create(new_task(priority=2, tags=["a"], arguments={"x": 1}))
    store.finish([ending(claim()[0], result=11)], at(1))
    response = retry(task_id)
    body = response.json()
    assert response.status_code == 202
    assert (body["retry_of"], body["status"], body["result"]) == (str(task_id), "PENDING", None)
    assert (body["priority"], body["tags"], body["arguments"]) == (2, ["a"], {"x": 1})
    assert body["task_id"] != str(task_id)
    assert response.headers["Location"] == f"/tasks/{body['task_id']}/"
    assert get(f"/tasks/{task_id}/").json()["result"] == 11


def test_a_task_that_has_not_finished_cannot_be_repeated():
    (task_id,) = create()
    assert "PENDING" in problem(retry(task_id), 409)["detail"]
    assert Task.objects.count() == 1


@pytest.mark.parametrize("task_id", [MISSING_ID, "nope"])
def test_what_does_not_exist_is_not_found(task_id):
    problem(retry(task_id), 404)
