"""`unique_key`: at most one unfinished task has it, and a request for another is answered with that one."""

import threading

import pytest
from django.db import connection, transaction

from tasks_app import store
from tasks_app.models import Task
from tests.integration.helpers import at_once, claim, ending, new_task
from tests.integration.http import client, faults, get, post

pytestmark = pytest.mark.django_db

BATCH = "/tasks/batch-request/"


def create(**fields):
    return post("/tasks/", {"operation": "4+7", "unique_key": "invoice-7", **fields})


def finish_all():
    store.finish([ending(item) for item in claim(now=None)])


def test_a_key_is_stored_and_shown():
    response = create()
    assert response.status_code == 202
    assert get(response.headers["Location"]).json()["unique_key"] == "invoice-7"


def test_null_is_no_key():
    assert [create(unique_key=None).status_code for _ in range(2)] == [202, 202]
    assert Task.objects.count() == 2


def test_a_second_request_is_answered_with_the_unfinished_task():
    first = create()
    second = create(operation="debug.echo", priority=1)
    assert second.status_code == 200
    assert second.json() == first.json()
    assert second.headers["Location"] == first.headers["Location"]
    assert Task.objects.count() == 1


def test_the_running_task_is_answered_as_it_is_now():
    create()
    claim(now=None)
    assert create().json()["status"] == "STARTED"


def test_the_key_is_free_again_once_its_task_has_finished():
    first = create().json()
    finish_all()
    second = create()
    assert second.status_code == 202
    assert second.json()["task_id"] != first["task_id"]


def test_in_a_batch_the_unfinished_task_stands_in_the_items_place():
    held = create().json()
    items = [{"operation": "1+1"}, {"operation": "2+2", "unique_key": "invoice-7"}, {"operation": "3+3"}]
    response = post(BATCH, items)
    tasks = response.json()["tasks"]
    assert (response.status_code, response.json()["errors"]) == (202, [])
    assert [task["operation"] for task in tasks] == ["1+1", "4+7", "3+3"]
    assert tasks[1] == held
    assert Task.objects.count() == 3


def test_a_key_that_stands_twice_in_a_batch_makes_one_task():
    item = {"operation": "4+7", "unique_key": "x"}
    one, two = post(BATCH, [{**item, "priority": 1}, {**item, "priority": 2}]).json()["tasks"]
    assert one == two
    assert one["priority"] == 1


def test_a_repeated_task_has_no_key():
    first = create().json()
    finish_all()
    again = client.post(f"/tasks/{first['task_id']}/retry/").json()
    assert (again["retry_of"], again["unique_key"]) == (first["task_id"], None)


@pytest.mark.parametrize(
    ("value", "code"),
    [("", "blank"), ("x" * 201, "max_length"), (7, "invalid"), (True, "invalid"), (["x"], "invalid")],
)
def test_a_key_that_is_none_is_refused(value, code):
    assert faults(create(unique_key=value)) == {("#/unique_key", code)}


@pytest.mark.parametrize("value", ["x" * 200, " ", "ü€😀", " a ", "a"])
def test_a_key_is_kept_as_it_was_sent(value):
    assert create(unique_key=value).json()["unique_key"] == value


def let_go_together(count, is_held):
    """Hold up every INSERT until this many wait, so that they run at the same time. SQLite's never do."""
    if connection.vendor == "sqlite":
        is_held.set()
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE tasks_task IN SHARE MODE")
        is_held.set()  # who was quicker than the lock would be waited for in vain
        waiting = 0
        while waiting < count:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE relation = 'tasks_task'::regclass AND NOT granted"
            )
            (waiting,) = cursor.fetchone()


@pytest.mark.django_db(transaction=True)
def test_two_batches_with_the_same_keys_in_opposite_orders_do_not_deadlock():
    orders = [range(1000), range(1000)[::-1]] * 4
    batches = [[new_task(unique_key=f"key-{number}") for number in order] for order in orders]
    is_held = threading.Event()
    work = [lambda batch=batch: is_held.wait(30) and store.create(batch) for batch in batches]
    *answers, _ = at_once([*work, lambda: let_go_together(len(work), is_held)])
    assert len({task.task_id for answer in answers for task in answer}) == Task.objects.count() == 1000
