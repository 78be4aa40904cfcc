"""What a client may take of the web server's time, memory and connections, and what it is told then."""

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.hostile.conftest import MOST_BODY, PATIENCE_SECONDS
from tests.hostile.server import Web
from tests.hostile.sweep import judged
from tests.hostile.wire import CLOSED, connected, exchange, head, post, seconds_to_answer

pytestmark = pytest.mark.timeout(60)

TASK = b'{"operation": "4+7"}'
JSON = "Content-Type: application/json"
READ, WRITE = head("GET", "/tasks/?page_size=1"), post("/tasks/", TASK)
ALL_CONNECTIONS = 2 * 500
"""Of both processes, as they are started."""

MOST_MIB_MORE = 60
"""What one process may grow by: four bodies at most, their copies, and what any work takes."""
MOST_MIB_OF_PAGES = 4 * 5 * 8
"""What one process may grow by for pages: four threads, each with 8 MiB of values, their JSON, and copies of it."""


@pytest.fixture
def _bounded(web: Web) -> Iterator[None]:
    before = web.peak_mib()
    yield
    assert web.peak_mib() - before < MOST_MIB_MORE


@pytest.mark.parametrize(
    "begun",
    [
        b"G",
        head("GET", "/tasks/")[:-1],
        WRITE[:-1],
        head("POST", "/tasks/", JSON, "Transfer-Encoding: chunked") + b"1",
    ],
    ids=["a letter", "a head", "a body", "chunks"],
)
def test_what_does_not_come_in_time_is_answered_with_408(web: Web, begun: bytes) -> None:
    before = web.rows()
    with connected(web.port) as client:
        began = time.monotonic()
        client.send(begun)
        assert judged(begun, client.answer(), 408) == []
        assert time.monotonic() - began >= PATIENCE_SECONDS * 0.9
        assert client.answer() is CLOSED
    assert web.rows() == before


def test_who_says_nothing_is_not_waited_for(web: Web) -> None:
    with connected(web.port) as client:
        assert client.answer() is CLOSED


def test_a_request_in_many_small_pieces_is_taken_if_it_comes_in_time(web: Web) -> None:
    with connected(web.port) as client:
        for number in range(0, len(WRITE), 10):
            client.send(WRITE[number : number + 10])
        assert client.answer().status == 202


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head("POST", "/tasks/", JSON, f"Content-Length: {10**10}"), 413),
        (head("POST", "/tasks/", JSON, f"Content-Length: {MOST_BODY + 1}"), 413),
        (head("POST", "/nowhere/", JSON, f"Content-Length: {10**10}"), 413),
        (head("GET", "/tasks/", f"Content-Length: {10**10}"), 413),
        (head("POST", "/tasks/", JSON, "Transfer-Encoding: chunked") + b"F4241\r\n", 413),
        (head("POST", "/tasks/", JSON, f"Content-Length: {10**10}", "Expect: 100-continue"), 413),
    ],
    ids=["a length", "a byte too much", "to nowhere", "of a GET", "a chunk", "asked for before"],
)
def test_a_body_that_is_too_large_is_refused_before_it_is_sent(web: Web, sent: bytes, status: int) -> None:
    answer = exchange(web.port, sent)
    assert judged(sent, answer, status) == []
    assert str(MOST_BODY) in answer.json()["detail"]


@pytest.mark.usefixtures("_bounded")
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_without_an_end_is_refused_and_its_sender_learns_of_it(web: Web, is_chunked: bool) -> None:
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {10**10}"
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n" if is_chunked else b" " * 65536
    with connected(web.port) as client:
        client.send(head("POST", "/tasks/", JSON, length))
        for _ in range(200):  # as a client that reads nothing before it has sent everything
            client.send(piece)
        assert client.answer().status in {413, 0}
    assert exchange(web.port, head("POST", "/tasks/", JSON, length) + piece * 20).status == 413


@pytest.mark.parametrize(
    ("sent", "length"),
    [(TASK, 21), (TASK, 500_000), (b"[" + TASK + b"]", 100), (b"", 1)],
)
def test_a_body_that_ends_before_its_length_does_nothing(web: Web, sent: bytes, length: int) -> None:
    """Also if what has come would do: nobody knows what was to follow."""
    before = web.rows()
    with connected(web.port) as client:
        client.send(head("POST", "/tasks/", JSON, f"Content-Length: {length}") + sent)
        client.socket.shutdown(1)
        assert judged((sent, length), client.answer(), 400) == []
    assert web.rows() == before


def test_a_client_that_waits_to_continue_is_told_to(web: Web) -> None:
    with connected(web.port) as client:
        client.send(head("POST", "/tasks/", JSON, "Content-Length: 20", "Expect: 100-continue"))
        assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(TASK)
        first = client.socket.recv(65536)
        assert first.startswith(b"HTTP/1.1 202 ")
        assert b" 100 Continue" not in first


def test_a_slow_reader_gets_all_of_a_large_answer(web: Web) -> None:
    text = "x" * 200_000
    for _ in range(20):
        body = b'{"operation": "debug.echo", "tags": ["bulk"], "arguments": {"x": "%s"}}' % text.encode()
        assert exchange(web.port, post("/tasks/", body)).status == 202
    with connected(web.port) as client:
        client.send(head("GET", "/tasks/?tag=bulk&page_size=20") + READ)
        for _ in range(5):
            assert seconds_to_answer(web.port, READ) < PATIENCE_SECONDS
        page = client.answer().json()["results"]
        assert [task["arguments"]["x"] for task in page] == [text] * 20
        assert client.answer().status == 200


def test_the_longest_page_of_large_tasks_takes_little_memory_and_next_goes_on(web: Web) -> None:
    body = b'{"operation": "debug.echo", "queue": "heavy", "arguments": {"x": "%s"}}' % (b"x" * 250_000)
    for _ in range(240):
        assert exchange(web.port, post("/tasks/", body)).status == 202
    before = web.peak_mib()
    path, seen = "/tasks/?queue=heavy&page_size=1000", 0
    while path:
        page = exchange(web.port, head("GET", path)).json()
        assert 0 < len(page["results"]) <= 33
        seen += len(page["results"])
        following = urlsplit(page["next"] or "")
        path = page["next"] and f"{following.path}?{following.query}"
    assert seen == 240
    assert web.peak_mib() - before < MOST_MIB_OF_PAGES


@pytest.mark.usefixtures("_bounded")
def test_many_half_sent_bodies_take_little_memory_and_let_others_through(web: Web) -> None:
    most = b'{"operation": "debug.echo", "arguments": {"x": "%s"}}' % (b"x" * (MOST_BODY - 200))
    with ExitStack() as opened:
        for _ in range(80):
            opened.enter_context(connected(web.port)).send(post("/tasks/", most)[:-1])
        assert seconds_to_answer(web.port, WRITE) < PATIENCE_SECONDS
        # A large one waits until those are overdue, and is not lost.
        assert exchange(web.port, post("/tasks/", most)).status in {202, 400}


def test_more_connections_than_there_may_be_shut_nobody_out(web: Web) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ALL_CONNECTIONS + 200
    if hard != resource.RLIM_INFINITY and hard < wanted + 100:
        pytest.skip("this process may not open as many")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 100), hard))
    try:
        with ExitStack() as opened:
            for number in range(wanted):
                opened.enter_context(connected(web.port)).send(READ[:-1] if number % 2 else b"")
            waited = [seconds_to_answer(web.port, request) for request in (READ, WRITE) * 3]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert max(waited) < PATIENCE_SECONDS


def test_no_secret_that_was_sent_is_in_the_log(web: Web) -> None:
    secrets = ("hunter2-bearer-0123456789", "hunter2-cookie-0123456789", "hunter2-password-0123456789")
    lines = (
        f"Authorization: Bearer {secrets[0]}",
        f"Cookie: sessionid={secrets[1]}",
        f"X-API-Key: {secrets[0]}",
    )
    url = f"https://user:{secrets[2]}@hooks.example.com/"
    bodies = (
        b'{"operation": "4+7", "callback_url": "%s"}' % url.encode(),
        b'{"operation": "http.request", "arguments": {"url": "%s"}}' % url.encode(),
        b"{" + url.encode(),
    )
    for body in bodies:
        exchange(web.port, post("/tasks/", body, *lines))
        exchange(
            web.port,
            post("/tasks/", body, *lines).replace(b"\r\n\r\n", b"\r\nbroken " + url.encode() + b"\r\n\r\n"),
        )
        exchange(web.port, post(f"/tasks/?key={secrets[0]}", body, *lines, f"broken {secrets[0]}"))
    assert [secret for secret in secrets if secret in web.log] == []
