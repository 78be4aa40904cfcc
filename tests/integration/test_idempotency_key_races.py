"""One Idempotency-Key in several requests at once, each with a database connection of its own."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection
from rest_framework.test import APIClient

from schedules_app.models import TaskSchedule
from tasks_app import idempotency
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
    """Lets the first request that keeps an answer wait, with its transaction open, until `go` is set."""

    def __init__(self):
        self.reached, self.go = threading.Event(), threading.Event()
        self.keep = idempotency.keep

    def __call__(self, *args):
        if not self.reached.is_set():
            self.reached.set()
            assert self.go.wait(timeout=30)
        self.keep(*args)


@contextmanager
def one_in_flight(monkeypatch, answers):
    """While the block runs, a request has created its task but not committed; its answer goes into `answers`."""
    held = Held()
    monkeypatch.setattr(idempotency, "keep", held)
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


def test_while_the_first_request_is_not_committed_another_is_told_to_come_again(monkeypatch):
    first = []
    with one_in_flight(monkeypatch, first) as held:
        if connection.vendor == "sqlite":
            held.go.set()  # its writers are alone: the second request waits for the first, which must go on
        second = send()
        expected = 202 if connection.vendor == "sqlite" else 409
    assert second.status_code == expected
    if expected == 409:
        assert problem(second, 409)["code"] == "idempotency_key_in_use"
        assert second.headers["Retry-After"] == "1"
        second = send()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.content == first[0].content
    assert Task.objects.count() == 1


def test_a_request_in_flight_holds_up_no_other_key(monkeypatch):
    first = []
    with one_in_flight(monkeypatch, first) as held:
        if connection.vendor == "sqlite":
            held.go.set()
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
