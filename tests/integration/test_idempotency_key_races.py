"""One Idempotency-Key in several requests at once, each with a database connection of its own."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection
from rest_framework.test import APIClient

from schedules_app.models import TaskSchedule
from tasks_app import idempotency, store, views
from tasks_app.models import IdempotencyKey, Task
from tests.integration.helpers import at_once
from tests.integration.http import problem

pytestmark = pytest.mark.django_db(transaction=True)

BODIES = {
    "/tasks/": {"operation": "4+7"},
    "/tasks/batch-request/": [{"operation": "4+7"}],
    "/task-schedules/": {"operation": "4+7", "every_x_days": 1},
}


def send(path="/tasks/", **fields):
    body = {**BODIES[path], **fields} if fields else BODIES[path]
    client = APIClient(raise_request_exception=False)
    return client.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY="k-1")


class Held:
    """Lets the first call of a function wait until `go` is set."""

    def __init__(self, function):
        self.reached, self.go = threading.Event(), threading.Event()
        self.function = function

    def __call__(self, *args, **named):
        if not self.reached.is_set():
            self.reached.set()
            assert self.go.wait(timeout=30)
        return self.function(*args, **named)


@contextmanager
def one_in_flight(monkeypatch, answers, module=idempotency, step="keep"):
    """While the block runs, a request waits before this step; its answer goes into `answers`.

    By default it has created its task then and not committed.
    """
    held = Held(getattr(module, step))
    monkeypatch.setattr(module, step, held)
    first = threading.Thread(target=lambda: answers.append(at_once([send])[0]))
    first.start()
    try:
        assert held.reached.wait(timeout=30)
        yield held
    finally:
        held.go.set()
        first.join(timeout=30)


@pytest.mark.parametrize("path", BODIES)
def test_of_eight_equal_requests_at_once_one_creates(path):
    answers = at_once([lambda: send(path)] * 8)
    fresh = [one for one in answers if one.status_code < 300 and "Idempotent-Replayed" not in one.headers]
    replays = [one for one in answers if "Idempotent-Replayed" in one.headers]
    refused = [problem(one, 409)["code"] for one in answers if one.status_code >= 300]
    assert len(fresh) == 1
    assert {one.content for one in replays} <= {fresh[0].content}
    assert set(refused) <= {"idempotency_key_in_use"}
    assert Task.objects.count() + TaskSchedule.objects.count() == IdempotencyKey.objects.count() == 1


def test_of_eight_different_requests_at_once_with_one_key_one_creates():
    work = [lambda number=number: send(priority=number) for number in range(8)]
    statuses = sorted(one.status_code for one in at_once(work))
    assert statuses[0] == 202
    assert set(statuses[1:]) <= {409, 422}
    assert Task.objects.count() == 1


@pytest.mark.parametrize(
    ("module", "step"),
    [(views, "_prepare_task"), (store, "create"), (idempotency, "keep")],
    ids=["being checked", "being written", "not committed"],
)
def test_while_a_request_is_worked_on_another_is_told_at_once_to_come_again(module, step, monkeypatch):
    first = []
    with one_in_flight(monkeypatch, first, module, step):
        second = send()
    assert problem(second, 409)["code"] == "idempotency_key_in_use"
    assert second.headers["Retry-After"] == "1"
    third = send()
    assert third.headers["Idempotent-Replayed"] == "true"
    assert third.content == first[0].content
    assert Task.objects.count() == 1


def test_while_a_request_is_worked_on_its_key_is_in_use_for_any_other_body(monkeypatch):
    with one_in_flight(monkeypatch, []):
        assert problem(send(priority=1), 409)["code"] == "idempotency_key_in_use"
    assert problem(send(priority=1), 422)["code"] == "idempotency_key_reused"


def test_a_request_that_is_being_checked_holds_up_no_other_key(monkeypatch):
    with one_in_flight(monkeypatch, [], views, "_prepare_task"):
        other = APIClient().post("/tasks/", BODIES["/tasks/"], format="json", HTTP_IDEMPOTENCY_KEY="k-2")
        assert other.status_code == 202


def test_a_request_that_is_refused_frees_its_key():
    assert send(priority=77).status_code == 400
    assert send().status_code == 202


def test_a_request_in_flight_holds_up_no_other_key(monkeypatch):
    first = []
    with one_in_flight(monkeypatch, first) as held:
        if connection.vendor == "sqlite":
            held.go.set()  # its writers are alone: another waits for the one that has a transaction open
        client = APIClient()
        other = client.post("/tasks/", BODIES["/tasks/"], format="json", HTTP_IDEMPOTENCY_KEY="k-2")
    assert other.status_code == first[0].status_code == 202
    assert Task.objects.count() == 2


def test_when_the_first_request_fails_its_key_is_free_at_once(monkeypatch):
    def fail(*args):
        raise RuntimeError("crashed after it created the task")

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "keep", fail)
        assert send().status_code == 500
    assert not Task.objects.exists()
    assert send().status_code == 202
    assert Task.objects.count() == 1
