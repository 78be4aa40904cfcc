"""`http.request`: what is kept of an answer, what it means for the task, and how long it may take."""

import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tasks_app import failures
from tasks_app.operations import Cancelled, DoNotRetry, Retry, RetryAt, resolve
from tasks_app.operations.http.verdict import HttpFailure, HttpStatus
from tests.integration.calls import answered, call
from tests.integration.receiver import Receiver, Respond, exactly, plainly
from tests.support import a_context

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


@pytest.mark.parametrize(
    ("status", "kind"), [(404, HttpFailure), (302, HttpFailure), (410, HttpStatus), (500, HttpFailure)]
)
def test_a_status_that_the_task_names_is_tried_again_and_its_error_has_it(receiver, status, kind):
    with pytest.raises(kind) as caught:
        answered(receiver, plainly(status), retry_status=["3xx", 404])
    assert failures.describe(caught.value)["response_status"] == status


def test_an_answer_that_asks_for_a_wait_is_in_the_error_too(receiver):
    with pytest.raises(RetryAt) as caught:
        answered(receiver, plainly(503, b"", "Retry-After: 7"))
    assert failures.describe(caught.value)["response_status"] == 503


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
