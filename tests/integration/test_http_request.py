"""`http.request` against a real receiver on 127.0.0.1, which the settings have opened."""

import base64
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from pydantic import SecretStr

from tasks_app import drain, store
from tasks_app.models import Attempt, Task
from tasks_app.operations import Cancelled, DoNotRetry, Retry, RetryAt, TimeLimitExceeded, resolve
from tasks_app.operations.http import guard, wire
from tasks_app.operations.http.guard import Refused
from tasks_app.operations.http.verdict import HttpFailure, HttpStatus
from tasks_app.runner import Runner
from tasks_app.slices import Slice
from tests.integration.certificates import Certificates
from tests.integration.helpers import create, new_task
from tests.integration.http import faults, post
from tests.integration.receiver import Receiver, Respond, exactly, plainly
from tests.support import a_context
from tests.unit.test_runner import LIMITS, a_claim

SECRET = "whsec_YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb2s="
OLD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    def change(**update: Any) -> None:
        settings.CONFIG = settings.CONFIG.model_copy(update=update)

    return change


@pytest.fixture
def receiver(configure: Callable[..., None]) -> Iterator[Receiver]:
    with Receiver() as receiver:
        configure(http_allowed_hosts=(f"127.0.0.1:{receiver.port}",))
        yield receiver


@pytest.fixture
def certificates(tmp_path: Path) -> Iterator[Certificates]:
    wire.tls_context.cache_clear()
    yield Certificates(tmp_path)
    wire.tls_context.cache_clear()


def call(url: str, **arguments: Any) -> dict[str, Any]:
    return resolve("http.request").run("http.request", {"url": url, **arguments}, a_context())


def answered(receiver: Receiver, respond: Respond, **arguments: Any) -> dict[str, Any]:
    receiver.respond = respond
    return call(receiver.url(), **arguments)


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


# --- what is kept ----------------------------------------------------------------------------------------


def test_headers_are_kept_that_were_asked_for(receiver):
    respond = plainly(200, b"", "X-Cost: 3", "X-Cost: 4", "Set-Cookie: s=1", "ETag: e")
    result = answered(receiver, respond, keep_headers=["X-COST", "X-Missing"])
    assert result["headers"] == {"x-cost": "3, 4", "etag": "e", "content-length": "0"}


@pytest.mark.parametrize(
    ("body", "kept", "encoding"),
    [
        ("größe".encode(), "größe", "utf-8"),
        (b"\xff\x00\x01", "/wAB", "base64"),
        (b"a\x00b", "YQBi", "base64"),
        (b"\x1f\x8b\x08", "H4sI", "base64"),
    ],
)
def test_a_body_is_text_where_it_can_be_and_base64_elsewhere(receiver, body, kept, encoding):
    result = answered(receiver, plainly(200, body))
    assert (result["body"], result["body_encoding"], result["truncated"]) == (kept, encoding, False)


def test_a_body_is_cut_at_the_bound_and_the_cut_is_told(receiver, configure):
    configure(http_max_response_bytes=5)
    assert answered(receiver, plainly(200, b"12345"))["truncated"] is False
    result = answered(receiver, plainly(200, b"123456"))
    assert (result["body"], result["truncated"]) == ("12345", True)


def test_a_cut_through_a_character_leaves_the_text_before_it(receiver, configure):
    configure(http_max_response_bytes=5)
    result = answered(receiver, plainly(200, "aa€€".encode()))
    assert (result["body"], result["body_encoding"], result["truncated"]) == ("aa€", "utf-8", True)
    result = answered(receiver, plainly(200, "aaa€€".encode()))
    assert (result["body"], result["body_encoding"], result["truncated"]) == ("aaa", "utf-8", True)


def test_an_endless_body_is_read_up_to_the_bound_only(receiver, configure):
    configure(http_max_response_bytes=1000)
    hung_up = threading.Event()

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:
            hung_up.set()

    result = answered(receiver, endless)
    assert (result["body"], result["truncated"]) == ("x" * 1000, True)
    assert hung_up.wait(30)


def test_chunks_that_are_all_wrapping_end_the_reading(receiver, configure):
    configure(http_max_response_bytes=1000)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answered(receiver, exactly(head + b"1\r\nx\r\n" * 500 + b"0\r\n\r\n"))["body"] == "x" * 500
    comments = b"1;" + b"c" * 5000 + b"\r\nx\r\n"
    result = answered(receiver, exactly(head + comments * 400 + b"0\r\n\r\n"))
    assert result["truncated"] is True
    assert 0 < len(result["body"]) < 400


def test_the_result_fits_whatever_its_characters_cost_in_json(receiver, configure):
    configure(max_result_bytes=2000, http_max_response_bytes=4000)
    result = answered(receiver, plainly(200, b"\x01" * 1900))
    assert result["truncated"] is True
    assert 0 < len(result["body"]) < 330


def test_an_informational_answer_is_not_the_answer(receiver):
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert answered(receiver, exactly(early + final))["body"] == "ok"


def test_an_answer_to_head_has_no_body(receiver):
    respond = exactly(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    result = answered(receiver, respond, method="HEAD")
    assert (result["body"], result["truncated"], result["headers"]["content-length"]) == (
        "",
        False,
        "1000000",
    )


def test_who_answers_before_the_body_is_read_and_hangs_up_is_heard(receiver):
    receiver.reads = False
    with pytest.raises(HttpStatus, match="413"):
        answered(receiver, plainly(413), text="x" * 20_000_000)


# --- what it means ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, "2xx"), (299, "2xx"), (404, 404), (404, [200, 404]), (302, "300-399"), (503, ["2XX", "503"])],
)
def test_an_expected_status_is_a_success(receiver, status, expected):
    assert answered(receiver, plainly(status), expected_status=expected)["status"] == status


@pytest.mark.parametrize(
    ("status", "expected"), [(400, "2xx"), (404, "2xx"), (410, "2xx"), (200, 201), (304, "2xx"), (499, "2xx")]
)
def test_any_other_status_below_500_ends_the_task(receiver, status, expected):
    with pytest.raises(HttpStatus, match=str(status)) as caught:
        answered(receiver, plainly(status, b"because\n of\x1b[0m this"), expected_status=expected)
    assert isinstance(caught.value, DoNotRetry)
    if status != 304:
        assert caught.value.message.endswith("The answer: because  of [0m this")


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 599, 429])
def test_a_receiver_that_is_not_well_is_tried_again(receiver, status):
    with pytest.raises(HttpFailure, match=str(status)) as caught:
        answered(receiver, plainly(status))
    assert isinstance(caught.value, Retry)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(receiver, status, as_date):
    before = datetime.now(UTC)
    wish = format_datetime(before + timedelta(seconds=120), usegmt=True) if as_date else "120"
    with pytest.raises(RetryAt) as caught:
        answered(receiver, plainly(status, b"", f"Retry-After: {wish}"))
    after = datetime.now(UTC)
    assert before + timedelta(seconds=118) < caught.value.moment <= after + timedelta(seconds=120)


def test_retry_after_is_bounded_by_the_longest_wait(receiver, configure):
    configure(retry_cap_seconds=10)
    with pytest.raises(RetryAt) as caught:
        answered(receiver, plainly(503, b"", "Retry-After: 9999999999"))
    assert caught.value.moment <= datetime.now(UTC) + timedelta(seconds=10)


@pytest.mark.parametrize(
    "wish",
    ["0", "-5", "1.5", "soon", "", "Mon, 01 Jan 2001 00:00:00 GMT", "Mon, 99 Jan 2001", "9" * 40, "1 2"],
)
def test_a_retry_after_that_asks_for_nothing_leaves_it_to_the_backoff(receiver, wish):
    with pytest.raises(HttpFailure):
        answered(receiver, plainly(503, b"", f"Retry-After: {wish}"))


def test_retry_after_means_nothing_to_other_statuses(receiver):
    with pytest.raises(HttpFailure):
        answered(receiver, plainly(500, b"", "Retry-After: 120"))


def test_a_redirect_is_not_followed(receiver):
    with Receiver() as inner:
        respond = plainly(307, b"", f"Location: {inner.url('/secret')}")
        with pytest.raises(HttpStatus, match="Redirects are not followed"):
            answered(receiver, respond)
        result = answered(receiver, respond, expected_status=307)
        assert result["headers"]["location"] == inner.url("/secret")
        assert inner.connections == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"-ERR unknown command 'POST'\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 60_000 + b"\r\nY: " + b"y" * 60_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
    ],
)
def test_what_is_no_complete_answer_is_tried_again_and_not_quoted(receiver, data):
    with pytest.raises(HttpFailure) as caught:
        answered(receiver, exactly(data))
    assert "ERR" not in caught.value.message


def test_a_receiver_that_is_not_there_is_tried_again(receiver):
    url, receiver.respond = receiver.url(), plainly()
    receiver.__exit__(None, None, None)
    with pytest.raises(HttpFailure, match="refused"):
        call(url)
    receiver.__enter__()


def test_a_name_that_has_no_address_is_tried_again(monkeypatch):
    def nobody(*args: Any, **kwargs: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(HttpFailure, match="Name or service not known"):
        call("http://nobody.example/")


# --- time ------------------------------------------------------------------------------------------------


def dripping(first: bytes, over: threading.Event) -> Respond:
    """A byte now and then, always soon enough for a time limit of each read, and for ever."""

    def respond(connection: socket.socket) -> None:
        connection.sendall(first)
        while not over.wait(0.01):
            connection.sendall(b"x")

    return respond


@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_an_answer_that_drips_ends_with_the_time_for_the_whole(receiver, first):
    over = threading.Event()
    with pytest.raises(HttpFailure, match=r"no complete answer within 0\.3 s"):
        answered(receiver, dripping(first, over), timeout_seconds=0.3)
    over.set()


def test_a_receiver_that_reads_nothing_does_not_hold_the_worker(receiver):
    over = threading.Event()
    receiver.reads = False
    with pytest.raises(HttpFailure, match="within"):
        answered(receiver, lambda _: over.wait(30), text="x" * 30_000_000, timeout_seconds=0.3)
    over.set()


def test_a_cancelled_task_does_not_wait_for_its_answer(receiver):
    cancelled, over = threading.Event(), threading.Event()

    def silent(connection: socket.socket) -> None:
        cancelled.set()
        over.wait(30)

    receiver.respond = silent
    context = a_context(is_cancelled=cancelled.is_set)
    with pytest.raises(Cancelled):
        resolve("http.request").run("http.request", {"url": receiver.url()}, context)
    over.set()


# --- where it may go -------------------------------------------------------------------------------------


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A resolver with these answers, one after the other; the last one stays. Returns what it was asked."""
    asked: list[str] = []

    def resolver(host: str, port: int, **kwargs: Any) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f000001",
        "127.1",
        "0",
        "0.0.0.0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "example.com@127.0.0.1",
        "127.0.0.1#.example.com",
        "127.0.0.1\\.example.com",
    ],
)
def test_no_spelling_of_loopback_reaches_a_local_server(host, configure):
    with Receiver() as local:
        # The port alone is open, as if Redis were on 443: all depends on the address.
        configure(http_allowed_ports=(local.port,), http_allowed_hosts=())
        with pytest.raises(DoNotRetry) as caught:
            call(f"http://{host}:{local.port}/")
        assert caught.value.code in ("http_refused", "invalid_arguments")
        assert local.connections == 0


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["fd00:ec2::254"],
        ["8.8.8.8", "127.0.0.1"],
        ["::ffff:169.254.169.254"],
        ["64:ff9b::a9fe:a9fe"],
    ],
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(found, monkeypatch, configure):
    with Receiver() as local:
        configure(http_allowed_ports=(local.port,))
        resolving(monkeypatch, found)
        with pytest.raises(Refused):
            call(f"http://rebound.example:{local.port}/")
        assert local.connections == 0


def test_a_resolver_that_answers_differently_the_second_time_is_not_asked_again(monkeypatch, configure):
    with Receiver() as checked, Receiver() as inside:
        # Both are on 127.0.0.1; what counts is which address the connection is made to.
        configure(http_allowed_hosts=(f"127.0.0.1:{checked.port}",), http_allowed_ports=(inside.port,))
        asked = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        call(f"http://rebound.example:{checked.port}/")
        assert asked == ["rebound.example"]
        assert checked.received[0].headers["host"] == f"rebound.example:{checked.port}"
        with pytest.raises(Refused):
            call(f"http://rebound.example:{checked.port}/")
        assert checked.connections == 1


def test_the_connection_goes_to_the_first_address_that_answers(receiver, monkeypatch, configure):
    configure(http_allowed_hosts=("127.0.0.0/8", "::1"), http_allowed_ports=(receiver.port,))
    resolving(monkeypatch, ["::1", "127.0.0.9", "127.0.0.1"])
    assert call(f"http://many.example:{receiver.port}/")["status"] == 200


def test_the_refusal_stands_in_no_traceback_and_names_no_address(monkeypatch, configure):
    configure(http_allowed_hosts=())
    resolving(monkeypatch, ["10.1.2.3"])
    with pytest.raises(Refused) as caught:
        call("http://db.internal.example/")
    assert "10.1.2.3" not in caught.value.message


def test_the_guard_follows_the_settings(configure):
    configure(http_allowed_ports=(443,), http_allowed_hosts=("hooks.internal",))
    made = guard.of(settings.CONFIG)
    assert made.ports == {443}
    assert made.openings[0].name == "hooks.internal"


# --- TLS -------------------------------------------------------------------------------------------------


def test_a_certificate_for_the_name_is_required(certificates, configure, monkeypatch):
    with Receiver(tls=certificates.server("hooks.example")) as receiver:
        configure(http_allowed_hosts=(f"127.0.0.1:{receiver.port}",))
        resolving(monkeypatch, ["127.0.0.1"])
        with pytest.raises(HttpFailure, match="certificate verify failed"):
            call(receiver.url(host="hooks.example"))
        certificates.trust(monkeypatch)
        assert call(receiver.url(host="hooks.example"))["status"] == 200
        with pytest.raises(HttpFailure, match="certificate"):
            call(receiver.url(host="other.example"))
        with pytest.raises(HttpFailure, match="certificate"):
            call(receiver.url())
        assert [got.headers["host"] for got in receiver.received] == [f"hooks.example:{receiver.port}"]
    assert certificates.asked == ["hooks.example", "hooks.example", "other.example", None]


def test_an_address_in_the_url_is_verified_as_an_address(certificates, configure, monkeypatch):
    certificates.trust(monkeypatch)
    with Receiver(tls=certificates.server("127.0.0.1")) as receiver:
        configure(http_allowed_hosts=(f"127.0.0.1:{receiver.port}",))
        assert call(receiver.url(), text="x" * 1_000_000)["status"] == 200
        assert len(receiver.received[0].body) == 1_000_000


def test_a_handshake_that_never_ends_ends_with_the_time_for_the_whole(receiver):
    over = threading.Event()
    receiver._request = lambda connection: over.wait(30)
    with pytest.raises(HttpFailure, match="within"):
        call(receiver.url().replace("http:", "https:"), timeout_seconds=0.3)
    over.set()


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
    slice_ = Slice([a_claim("http.request", arguments={"url": receiver.url()})], runner.clock())

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
