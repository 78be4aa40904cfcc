"""The bench's HTTP client, against servers that behave as they do."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count

import pytest

from bench.client import Connection, Load, Refused, get, post

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[socket.socket], None]


@contextmanager
def serving(*scripts: Script) -> Iterator[int]:
    """A server that treats each connection after its script, the later ones after the last."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            for number in count():
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                script = scripts[min(number, len(scripts) - 1)]
                threading.Thread(target=treat, args=(script, peer), daemon=True).start()

        def treat(script: Script, peer: socket.socket) -> None:
            # A client may leave with an answer unread, which resets the connection.
            with peer, suppress(OSError):
                script(peer)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def connected(*scripts: Script) -> Iterator[Connection]:
    """A connection to such a server."""
    with serving(*scripts) as port, closing(Connection(port)) as connection:
        yield connection


def answers(*parts: bytes, times: int = 1000) -> Script:
    """Answer this many requests with these parts, each sent for itself; then close."""

    def script(peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(times):
            if not peer.recv(65536):
                return
            for part in parts:
                peer.sendall(part)

    return script


@pytest.mark.parametrize(
    "parts",
    [
        (OK,),
        (OK[:20], OK[20:]),
        (OK[:-1], OK[-1:]),
        (b"HTTP/1.1 202 Accepted\r\ncontent-length: 600000\r\n\r\n", b"x" * 300000, b"x" * 300000),
    ],
)
def test_an_answer_is_read_to_its_end_however_it_comes(parts: tuple[bytes, ...]) -> None:
    with connected(answers(*parts)) as connection:
        for _ in range(3):
            connection.send(get("/"))


def test_a_kept_connection_that_the_server_has_closed_is_opened_again() -> None:
    with connected(answers(OK, times=1), answers(OK)) as connection:
        for _ in range(3):
            connection.send(post("/", b"{}"))


def test_a_server_that_closes_after_each_answer_is_asked_over_new_connections() -> None:
    with connected(answers(LAST, times=1)) as connection:
        for _ in range(3):
            connection.send(get("/"))


def test_a_server_that_closes_inside_of_an_answer_is_an_error() -> None:
    with (
        serving(answers(OK[:-1], times=1)) as port,
        closing(Connection(port)) as connection,
        pytest.raises(ConnectionResetError),
    ):
        connection.send(get("/"))


def test_a_new_connection_that_is_closed_at_once_is_an_error() -> None:
    with (
        serving(answers(times=1)) as port,
        closing(Connection(port)) as connection,
        pytest.raises(ConnectionResetError),
    ):
        connection.send(get("/"))


def test_an_answer_that_is_no_2xx_is_refused_with_what_it_said() -> None:
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nnope"
    with (
        serving(answers(refusal)) as port,
        closing(Connection(port)) as connection,
        pytest.raises(Refused, match="400 Bad Request nope"),
    ):
        connection.send(get("/"))


@pytest.mark.parametrize("script", [answers(OK), answers(LAST, times=1)])
def test_a_load_counts_what_was_answered_on_all_its_connections(script: Script) -> None:
    asked: set[int] = set()

    def request(number: int, turn: int) -> bytes:
        asked.add(number)
        return get(f"/{turn}")

    with serving(script) as port:
        load = Load(port, request, 3)
        assert load.run(0.05) > 0
    assert asked == {0, 1, 2}
    assert load.cpu_share > 0


def test_a_load_ends_with_the_first_refusal() -> None:
    refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    with serving(answers(OK, times=2), answers(refusal)) as port, pytest.raises(Refused, match="503"):
        Load(port, lambda *_: get("/"), 2).run(5)
