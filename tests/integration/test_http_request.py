"""`http.request`: what is sent to a real receiver on 127.0.0.1, also through the service; what the door refuses."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from tasks_app import drain, store
from tasks_app.models import Attempt, Task
from tasks_app.operations import TimeLimitExceeded, resolve
from tasks_app.runner import Runner
from tasks_app.slices import Slice
from tests.integration.calls import call
from tests.integration.helpers import create, new_task
from tests.integration.http import faults, post
from tests.integration.receiver import plainly
from tests.support import a_context
from tests.unit.test_runner import LIMITS, a_claim

SECRET = "whsec_YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb2s="
OLD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


# --- what is sent ----------------------------------------------------------------------------------------


def test_json_is_sent_as_it_came_and_the_answer_is_the_result(receiver):
    receiver.respond = plainly(201, b'{"id": 7}', "Content-Type: application/json", "X-Private: y")
    result = call(receiver.url("/hook?a=b"), json={"größe": [1, 2.5, None]}, headers={"X-Trace": "t 1"})
    assert result == {
        "status": 201,
        "headers": {"content-type": "application/json", "content-length": "9"},
        "body": '{"id": 7}',
        "body_encoding": "utf-8",
        "truncated": False,
    }
    (got,) = receiver.received
    assert got.line == "POST /hook?a=b HTTP/1.1"
    assert got.body == '{"größe":[1,2.5,null]}'.encode()
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert (got.headers["x-trace"], got.headers["accept-encoding"]) == ("t 1", "identity")


@pytest.mark.parametrize(
    ("arguments", "line", "body", "length"),
    [
        ({}, "POST / HTTP/1.1", b"", "0"),
        ({"json": None}, "POST / HTTP/1.1", b"null", "4"),
        ({"method": "PUT", "text": "a=ü"}, "PUT / HTTP/1.1", "a=ü".encode(), "4"),
        ({"method": "GET"}, "GET / HTTP/1.1", b"", None),
        ({"method": "DELETE"}, "DELETE / HTTP/1.1", b"", None),
    ],
)
def test_method_and_body_are_those_of_the_arguments(receiver, arguments, line, body, length):
    call(receiver.url(), **arguments)
    (got,) = receiver.received
    assert (got.line, got.body, got.headers.get("content-length")) == (line, body, length)


def test_a_content_type_of_the_arguments_replaces_the_usual_one(receiver):
    call(receiver.url(), text="<a/>", headers={"Content-Type": "application/xml"})
    assert receiver.received[0].headers["content-type"] == "application/xml"


def test_a_request_is_signed_and_its_id_stays_the_same_over_attempts(receiver, configure):
    configure(http_signing_secrets=SecretStr(f"{SECRET},{OLD_SECRET}"))
    task_id = UUID("0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f")
    for attempt in (1, 2):
        arguments = {"url": receiver.url(), "json": {"a": 1}}
        resolve("http.request").run("http.request", arguments, a_context(task_id=task_id, attempt=attempt))
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(task_id)
    for got in receiver.received:
        content = f"{task_id}.{got.headers['webhook-timestamp']}.".encode() + got.body
        assert got.headers["webhook-signature"] == " ".join(
            f"v1,{an_hmac(secret, content)}" for secret in (SECRET, OLD_SECRET)
        )


def an_hmac(secret: str, content: bytes) -> str:
    """An HMAC from its definition (RFC 2104), on nothing but SHA-256."""
    key = base64.b64decode(secret.removeprefix("whsec_")).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + content).digest()
    return base64.b64encode(hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()).decode()


def test_a_task_can_ask_for_no_signature(receiver, configure):
    configure(http_signing_secrets=SecretStr(SECRET))
    call(receiver.url(), sign=False)
    assert not [name for name in receiver.received[0].headers if name.startswith("webhook-")]


def test_no_proxy_of_the_environment_is_used(receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert call(receiver.url())["status"] == 200


# --- through the service ---------------------------------------------------------------------------------


@pytest.fixture
def worker(configure: Callable[..., None]) -> Iterator[drain.Worker]:
    configure(task_events=False)
    worker = drain.Worker()
    yield worker
    worker.watchdog.rest()


def run(worker: drain.Worker, url: str, **arguments: Any) -> Task:
    (task_id,) = create(
        new_task("http.request", arguments={"url": url, **arguments}, max_attempts=2), now=None
    )
    worker.drain("tasks", "w@host", seconds=60)
    return Task.objects.get(task_id=task_id)


@pytest.mark.django_db(transaction=True)
def test_a_task_delivers_and_no_secret_is_left_behind(receiver, worker, configure, caplog):
    configure(http_signing_secrets=SecretStr(SECRET))
    receiver.respond = lambda connection: plainly(
        500, repr(receiver.received[-1].headers).encode(), "X-Echo: y"
    )(connection)
    failed = run(worker, receiver.url("/hook"), json={"a": 1})
    receiver.respond = plainly(204)
    delivered = run(worker, receiver.url("/hook"))
    assert (failed.status, failed.error["code"]) == ("RETRY", "http_failure")
    assert failed.error.get("traceback") is None
    assert (delivered.status, delivered.result["status"], delivered.error) == ("SUCCESS", 204, None)
    kept = repr([vars(row) for row in (failed, delivered, *Attempt.objects.all())]) + caplog.text
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert SECRET.removeprefix("whsec_") not in kept
    assert secret.decode() not in kept


@pytest.mark.django_db(transaction=True)
def test_a_task_waits_as_long_as_its_receiver_asks(receiver, worker):
    receiver.respond = plainly(429, b"", "Retry-After: 1000")
    before = datetime.now(UTC)
    task = run(worker, receiver.url())
    assert (task.status, task.error["code"]) == ("RETRY", "retry_at")
    assert timedelta(seconds=990) < task.run_at - before < timedelta(seconds=1010)


@pytest.mark.django_db(transaction=True)
def test_a_task_that_is_not_wanted_is_not_sent_again(receiver, worker):
    receiver.respond = plainly(410)
    task = run(worker, receiver.url())
    assert (task.status, task.attempt, task.error["code"]) == ("ERROR", 1, "http_status")
    assert store.claim("tasks", "w", 10, lease_seconds=60, slow=(), now=None) == []


def test_a_task_s_own_time_limit_ends_a_longer_exchange(receiver):
    runner, over = Runner(LIMITS), threading.Event()
    slice_ = Slice(
        [a_claim("http.request", arguments_json=json.dumps({"url": receiver.url()}))], runner.clock()
    )

    def strike(connection: socket.socket) -> None:
        runner.interrupt(slice_.running, TimeLimitExceeded("The time is over."))
        over.wait(30)

    receiver.respond = strike
    runner.run(slice_)
    over.set()
    (ended,) = slice_.endings
    assert (ended.outcome, ended.status, ended.error["code"]) == ("TIMEOUT", "RETRY", "timeout")


# --- at the door -----------------------------------------------------------------------------------------

GOOD = {"url": "https://hooks.example.com/x"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "pointer", "code"),
    [
        ({}, "/url", "required"),
        ({"url": "http://127.0.0.1/"}, "/url", "http_refused"),
        ({"url": "http://[::ffff:169.254.169.254]/latest/meta-data/"}, "/url", "http_refused"),
        ({"url": "http://hooks.example.com:6379/"}, "/url", "http_refused"),
        ({"url": "http://2130706433/"}, "/url", "value_error"),
        ({"url": "http://a:b@example.com/"}, "/url", "value_error"),
        ({"url": "ftp://example.com/"}, "/url", "value_error"),
        ({**GOOD, "method": "get"}, "/method", "literal_error"),
        ({**GOOD, "method": "CONNECT"}, "/method", "literal_error"),
        ({**GOOD, "json": 1, "text": "x"}, "/text", "exclusive"),
        ({**GOOD, "json": None, "text": "x"}, "/text", "exclusive"),
        ({**GOOD, "method": "GET", "json": None}, "/method", "no_body"),
        ({**GOOD, "headers": {"X": "a\r\nHost: b"}}, "/headers", "value_error"),
        ({**GOOD, "headers": {"X\r\nY": "a"}}, "/headers", "value_error"),
        ({**GOOD, "headers": {"X:": "a"}}, "/headers", "value_error"),
        ({**GOOD, "headers": {"": "a"}}, "/headers", "value_error"),
        ({**GOOD, "headers": {"X": " a"}}, "/headers", "value_error"),
        ({**GOOD, "headers": {"X": "ü"}}, "/headers", "value_error"),
        ({**GOOD, "headers": {"x": "a", "X": "b"}}, "/headers", "value_error"),
        *[
            ({**GOOD, "headers": {name: "x"}}, "/headers", "value_error")
            for name in ("Host", "CONTENT-LENGTH", "Transfer-Encoding", "Connection", "Expect", "Upgrade",
                         "Proxy-Authorization", "Accept-Encoding", "webhook-id", "Webhook-Signature")
        ],
        ({**GOOD, "headers": {"X": 1}}, "/headers/X", "string_type"),
        ({**GOOD, "headers": {f"x-{n}": "" for n in range(51)}}, "/headers", "too_long"),
        ({**GOOD, "expected_status": 99}, "/expected_status", "value_error"),
        ({**GOOD, "expected_status": "6xx"}, "/expected_status", "value_error"),
        ({**GOOD, "expected_status": "299-200"}, "/expected_status", "value_error"),
        ({**GOOD, "expected_status": []}, "/expected_status", "too_short"),
        ({**GOOD, "timeout_seconds": 0}, "/timeout_seconds", "greater_than_equal"),
        ({**GOOD, "keep_headers": ["a b"]}, "/keep_headers/0", "string_pattern_mismatch"),
        ({**GOOD, "body": "x"}, "/body", "unknown"),
    ],
)  # fmt: skip
def test_arguments_that_cannot_work_are_refused_with_a_pointer(arguments, pointer, code):
    response = post("/tasks/", {"operation": "http.request", "arguments": arguments})
    assert (f"#/arguments{pointer}", code) in faults(response)
    assert not Task.objects.exists()


@pytest.mark.django_db
def test_in_a_batch_only_the_bad_request_is_refused():
    body = post(
        "/tasks/batch-request/",
        [
            {"operation": "http.request", "arguments": GOOD},
            {"operation": "http.request", "arguments": {"url": "http://localhost:6379/"}},
        ],
    ).json()
    assert len(body["tasks"]) == 1
    (item,) = body["errors"]
    assert (item["index"], item["errors"][0]["pointer"]) == (1, "#/1/arguments/url")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        GOOD,
        {**GOOD, "json": None, "headers": {"Authorization": "Bearer x", "X-Empty": ""}},
        {**GOOD, "method": "GET", "expected_status": [200, "3xx", "404-410"], "timeout_seconds": 5},
        {**GOOD, "url": "https://8.8.8.8/{{occurrence}}"},
    ],
)
def test_arguments_that_can_work_are_stored_as_they_came(arguments):
    response = post("/tasks/", {"operation": "http.request", "arguments": arguments})
    assert response.status_code == 202
    assert response.json()["arguments"] == arguments
