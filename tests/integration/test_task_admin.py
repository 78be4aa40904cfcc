"""/admin/: tasks for operators."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access_app import read_only
from access_app.models import Project
from tasks_app import admin, store
from tasks_app.callbacks import delivery
from tasks_app.lifecycle import Status
from tasks_app.models import Callback, Task
from tests.integration.helpers import at, claim, create, ending, new_task, status_of

pytestmark = pytest.mark.django_db

LIST = "/admin/tasks_app/task/"


def act(client, action, *ids):
    return client.post(LIST, {"action": action, "_selected_action": [str(one) for one in ids]}, follow=True)


def shown(client, **parameters):
    response = client.get(LIST, parameters)
    assert response.status_code == 200
    return [task.task_id for task in response.context["cl"].result_list]


def finished():
    (task_id,) = create()
    store.finish([ending(claim()[0])], at(1))
    return task_id


def test_the_list_shows_newest_first(admin_client):
    created = create(new_task(), new_task())
    assert shown(admin_client) == created[::-1]


def test_the_list_counts_a_bounded_number_of_rows_only(admin_client, monkeypatch):
    monkeypatch.setattr(read_only, "LONGEST_LIST", 3)
    monkeypatch.setattr(admin.StoreAdmin, "list_per_page", 2)
    create(*(new_task() for _ in range(5)))
    with CaptureQueriesContext(connection) as queries:
        assert len(shown(admin_client, p=2)) == 1
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "tasks_task" in query["sql"]]
    assert counts
    assert all("LIMIT 3" in sql for sql in counts)


def test_the_list_is_filtered(admin_client):
    (a, b) = create(new_task(priority=1), new_task(run_at=at(60)))
    assert shown(admin_client, priority="1") == [a]
    assert shown(admin_client, status__exact="SCHEDULED") == [b]
    assert shown(admin_client, queue="tasks") == [b, a]


def test_the_list_shows_projects_and_is_filtered_by_them(admin_client):
    project = Project.objects.create(name="billing")
    (a, b) = create(new_task(), new_task(project_id=project.pk))
    assert shown(admin_client) == [b, a]
    assert shown(admin_client, project=str(project.pk)) == [b]
    assert shown(admin_client, project="1") == [a]
    assert "billing" in admin_client.get(LIST, {"q": str(b)}).content.decode()


def test_an_operator_acts_on_tasks_of_every_project(admin_client):
    (a, b) = create(new_task(), new_task(project_id=7))
    act(admin_client, "cancel_tasks", a, b)
    assert [status_of(a), status_of(b)] == ["CANCELLED", "CANCELLED"]


def test_the_search_finds_ids_operations_and_queues(admin_client):
    (a, b) = create(new_task("4+7"), new_task("9*9", queue="own"))
    assert shown(admin_client, q=str(a)) == [a]
    assert shown(admin_client, q="9*") == [b]
    assert shown(admin_client, q="queue:own") == [b]
    assert shown(admin_client, q="nothing") == []


def test_a_task_is_shown_with_who_tells_of_its_end(admin_client):
    (task_id,) = create(new_task(callback_url="https://hooks.example.com/"))
    store.finish([ending(claim()[0])], at(1))
    delivery.deliver()
    key = str(Callback.objects.get().delivery_task_id)
    page = admin_client.get(f"{LIST}{task_id}/change/").content.decode()
    assert key in page


def test_a_task_that_an_operator_cancels_is_told(admin_client):
    (task_id,) = create(new_task(callback_url="https://hooks.example.com/"))
    act(admin_client, "cancel_tasks", task_id)
    assert Callback.objects.get().task_id == task_id


def test_a_task_is_shown_with_its_attempts_and_cannot_be_edited(admin_client):
    task_id = finished()
    path = reverse("admin:tasks_app_task_change", args=[task_id])
    page = admin_client.get(path)
    assert page.status_code == 200
    assert "w1" in page.content.decode()
    assert admin_client.post(path, {"status": "PENDING"}).status_code == 403
    assert status_of(task_id) == Status.SUCCESS


@pytest.mark.parametrize("path", ["add/", "0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f/delete/"])
def test_rows_are_neither_added_nor_deleted_past_the_store(admin_client, path):
    assert admin_client.post(LIST + path).status_code in {302, 403}
    assert not Task.objects.exists()
    assert "delete_selected" not in admin_client.get(LIST).content.decode()


def test_tasks_are_cancelled_by_an_action(admin_client):
    done = finished()
    (waiting,) = create()
    page = act(admin_client, "cancel_tasks", waiting, done)
    assert status_of(waiting) == Status.CANCELLED
    assert "1 of 2 tasks cancelled" in page.content.decode()


def test_tasks_are_repeated_by_an_action(admin_client):
    done = finished()
    act(admin_client, "retry_tasks", done)
    assert Task.objects.filter(retry_of=done).count() == 1


def test_a_viewer_sees_tasks_but_has_no_actions(client, django_user_model):
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_task"))
    client.force_login(viewer)
    (task_id,) = create()
    assert shown(client) == [task_id]
    act(client, "cancel_tasks", task_id)
    assert status_of(task_id) == Status.PENDING
