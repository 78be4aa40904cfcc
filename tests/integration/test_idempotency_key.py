"""The header Idempotency-Key of POST /tasks/, /tasks/batch-request/ and /task-schedules/."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, close_old_connections, connection

from schedules_app.models import TaskSchedule
from tasks_app import idempotency, store
from tasks_app.lifecycle import Status
from tasks_app.models import IdempotencyKey, Task
from tasks_app.tasks import prune
from tests.integration.helpers import at_once
from tests.integration.http import client, problem
from tests.support import registered_operation

pytestmark = pytest.mark.django_db

TASK = {"operation": "4+7"}
ENDPOINTS = {
    "/tasks/": TASK,
    "/tasks/batch-request/": [TASK, TASK, {"operation": "nope"}],
    "/task-schedules/": {**TASK, "every_x_days": 1},
}
each_endpoint = pytest.mark.parametrize("path", ENDPOINTS)


def send(path, body=None, key="k-1", **headers):
    data = json.dumps(ENDPOINTS[path] if body is None else body)
    given = {"HTTP_IDEMPOTENCY_KEY": key} if key is not None else {}
    return client.generic("POST", path, data, "application/json", **given, **headers)


def created():
    return Task.objects.count(), TaskSchedule.objects.count()


def is_replay(response):
    return response.headers.get("Idempotent-Replayed") == "true"


def essence(response):
    return response.status_code, response.content, response.headers.get("Location")


@each_endpoint
def test_a_repeated_request_gets_the_same_answer_and_creates_nothing(path):
    first = send(path)
    before = created()
    second = send(path)
    assert first.status_code in (201, 202)
    assert (is_replay(first), is_replay(second)) == (False, True)
    assert essence(second) == essence(first)
    assert second.headers["Content-Type"] == first.headers["Content-Type"] == "application/json"
    assert created() == before != (0, 0)


@each_endpoint
def test_an_answer_with_a_key_is_that_without_one(path):
    with_key, without = send(path).json(), send(path, key=None).json()
    assert with_key.keys() == without.keys()
    assert IdempotencyKey.objects.count() == 1


@each_endpoint
def test_the_key_with_another_body_is_refused(path):
    send(path)
    before = created()
    body = problem(send(path, {**TASK, "priority": 1}), 422)
    assert body["code"] == "idempotency_key_reused"
    assert created() == before


def test_the_key_with_another_query_is_refused():
    send("/tasks/batch-request/", [TASK])
    again = client.generic(
        "POST",
        "/tasks/batch-request/?atomic=true",
        json.dumps([TASK]),
        "application/json",
        HTTP_IDEMPOTENCY_KEY="k-1",
    )
    assert problem(again, 422)["code"] == "idempotency_key_reused"


def test_a_body_is_the_same_only_byte_by_byte():
    send("/tasks/")
    spaced = client.generic(
        "POST", "/tasks/", b' {"operation":"4+7"}', "application/json", HTTP_IDEMPOTENCY_KEY="k-1"
    )
    problem(spaced, 422)


def test_another_key_or_none_creates_anew():
    for key in ("a", "b", None, None):
        assert send("/tasks/", key=key).status_code == 202
    assert Task.objects.count() == 4


def test_the_same_text_is_another_key_at_another_endpoint():
    statuses = [send(path).status_code for path in ENDPOINTS]
    assert statuses == [202, 202, 201]


@pytest.mark.parametrize("path", ["/tasks", "/api/v1/tasks/", "/api/v1/tasks"])
def test_every_spelling_of_an_address_shares_its_keys(path):
    first = send("/tasks/")
    again = send(path, TASK)
    assert is_replay(again)
    assert essence(again) == essence(first)
    assert Task.objects.count() == 1


@each_endpoint
def test_a_refusal_is_not_kept_and_may_be_corrected(path):
    wrong = {**TASK, "priority": 77, "every_x_days": 1} if path != "/tasks/batch-request/" else [{}]
    problem(send(path, wrong), 400)
    assert not IdempotencyKey.objects.exists()
    assert send(path).status_code in (201, 202)


def test_a_schedule_that_its_store_refuses_keeps_nothing():
    over = {**TASK, "every_x_days": 1, "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-02-01T00:00:00Z"}
    problem(send("/task-schedules/", over), 400)
    assert not IdempotencyKey.objects.exists()


def test_the_answer_outlives_its_task():
    first = send("/tasks/")
    assert client.delete(first.headers["Location"]).status_code == 204
    assert essence(send("/tasks/")) == essence(first)
    assert not Task.objects.exists()


def test_the_answer_is_what_it_was_whatever_became_of_its_task():
    first = send("/tasks/")
    store.cancel([first.json()["task_id"]])
    assert send("/tasks/").json()["status"] == Status.PENDING


def test_a_repetition_is_answered_also_if_the_request_would_be_refused_by_now():
    with registered_operation(lambda: None, "test.gone"):
        first = send("/tasks/", {"operation": "test.gone"})
    assert essence(send("/tasks/", {"operation": "test.gone"})) == essence(first)


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "schlüssel", "a\tb", "a\x7f"])
@each_endpoint
def test_a_key_that_is_none_is_refused_with_what_would_do(path, key):
    body = problem(send(path, key=key), 400)
    assert body["code"] == "invalid_idempotency_key"
    assert "255 printable ASCII" in body["detail"]
    assert created() == (0, 0)


@each_endpoint
def test_a_hostile_body_is_refused_as_without_a_key(path, settings):
    settings.CONFIG = settings.CONFIG.model_copy(update={"max_body_bytes": 1024})
    bodies = {b"": 400, b"[NaN]": 400, b"[" * 900: 400, b'"\\ud800"': 400, b" " * 1025: 413}
    for body, status in bodies.items():
        problem(client.generic("POST", path, body, "application/json", HTTP_IDEMPOTENCY_KEY="k-1"), status)
    problem(client.generic("POST", path, b"{}", "text/plain", HTTP_IDEMPOTENCY_KEY="k-1"), 415)
    assert send(path).status_code in (201, 202)


@pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a, b; c=%"])
def test_any_printable_ascii_is_a_key(key):
    send("/tasks/", key=key)
    assert is_replay(send("/tasks/", key=key))


def test_a_list_does_not_look_at_the_header():
    assert client.get("/tasks/", HTTP_IDEMPOTENCY_KEY="x" * 300).status_code == 200


def test_a_large_answer_is_kept_small_and_given_again_whole():
    first = send("/tasks/batch-request/", [TASK] * 1000)
    assert len(IdempotencyKey.objects.get().answer) < len(first.content) / 5
    assert essence(send("/tasks/batch-request/", [TASK] * 1000)) == essence(first)


@pytest.mark.django_db(transaction=True)
def test_a_queue_is_rung_for_the_first_request_only(rings):
    send("/tasks/")
    send("/tasks/")
    assert rings == ["tasks"]


def lose_connection(*_):
    """What happens to a statement when the database goes away in the middle of a transaction."""
    if connection.vendor == "sqlite":
        raise OperationalError("disk I/O error")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    at_once([lambda: connection.cursor().execute("SELECT pg_terminate_backend(%s)", [pid])])
    connection.cursor().execute("SELECT 1")


@each_endpoint
@pytest.mark.parametrize("verb", ["find", "hold", "keep"])
@pytest.mark.django_db(transaction=True)
def test_without_the_database_nothing_is_half_stored(path, verb, monkeypatch, rings):
    with monkeypatch.context() as patch:
        patch.setattr(idempotency, verb, lose_connection)
        response = send(path)
    close_old_connections()  # as each new request does; the test client leaves it out
    assert problem(response, 503)["code"] == "unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert (created(), IdempotencyKey.objects.count(), rings) == ((0, 0), 0, [])
    again = send(path)
    assert again.status_code in (201, 202)
    assert not is_replay(again)


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.django_db(transaction=True)
def test_without_a_key_it_is_the_same(path, monkeypatch, rings):
    with monkeypatch.context() as patch:
        for statement in ("store.database_now", "insertion.insert_now"):
            patch.setattr(f"tasks_app.{statement}", lose_connection)
        response = send(path, key=None)
    close_old_connections()
    problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    assert (created(), rings) == ((0, 0), [])


def grow_old(hours):
    born = store.database_now() - timedelta(hours=hours)
    IdempotencyKey.objects.update(created_at=born)


def test_an_answer_is_kept_for_its_hours():
    send("/tasks/")
    grow_old(settings.CONFIG.idempotency_hours - 0.1)
    prune()
    assert is_replay(send("/tasks/"))
    grow_old(settings.CONFIG.idempotency_hours + 0.1)
    prune()
    assert not is_replay(send("/tasks/"))
    assert Task.objects.count() == 2


def test_pruning_takes_the_oldest_first_and_no_more_than_its_bytes(monkeypatch):
    for key in ("old", "older", "new"):
        send("/tasks/", key=key)
    now = store.database_now()
    for hours, key in enumerate(("new", "old", "older"), 1):
        IdempotencyKey.objects.filter(key=key).update(created_at=now - timedelta(hours=hours))
    monkeypatch.setattr(idempotency, "PRUNE_BYTES", 1)
    before = now - timedelta(hours=1.5)
    assert idempotency.prune(before) == 1
    assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"new", "old"}
    assert (idempotency.prune(before), idempotency.prune(before)) == (1, 0)


def test_pruning_takes_many_small_answers_at_once():
    for key in "abc":
        send("/tasks/", key=key)
    assert idempotency.prune(store.database_now() + timedelta(seconds=1)) == 3
