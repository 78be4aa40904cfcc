"""What a thread reads and sends, and what waits for a slow client."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scheduler_service.webserver import wire
from scheduler_service.webserver.wire import Wire

LARGE = b"x" * 8 * 2**20
"""More than a socket takes at once."""


@dataclass
class Pair:
    wire: Wire
    client: socket.socket

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += self.client.recv(size - len(found))
            self.wire.push()
        return found


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield Pair(Wire(ours, patience=0.05), theirs)


def test_a_request_is_read_to_its_end_and_no_further(pair: Pair) -> None:
    pair.client.sendall(b"the next request")
    pair.wire.take(b"12345")
    assert [pair.wire.recv(3), pair.wire.recv(3), pair.wire.recv(3)] == [b"123", b"45", b""]


def test_a_head_waits_for_its_body(pair: Pair) -> None:
    pair.wire.sendall(b"head ")
    pair.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        pair.client.recv(1)
    pair.wire.sendall(b"body")
    assert pair.client.recv(100) == b"head body"


def test_what_comes_later_of_an_answer_does_not_wait(pair: Pair) -> None:
    for piece in (b"head", b"1"):
        pair.wire.sendall(piece)
    pair.wire.sendall(b"2")
    assert pair.client.recv(100) == b"head12"


def test_a_ready_answer_of_any_size_holds_nobody(pair: Pair) -> None:
    pair.wire.sendall(b"head")
    pair.wire.sendall(LARGE)
    assert 0 < pair.wire.unsent < len(LARGE)
    assert not pair.wire.push()
    assert pair.read(4 + len(LARGE)) == b"head" + LARGE
    assert (pair.wire.push(), pair.wire.unsent, pair.wire.sent) == (True, 0, 4 + len(LARGE))


def test_an_answer_without_an_end_does_not_fill_the_memory(pair: Pair) -> None:
    def stream() -> None:
        for _ in range(100):
            pair.wire.sendall(b"x" * 2**20)

    with pytest.raises(ConnectionAbortedError):
        stream()
    assert pair.wire.unsent <= wire.MOST_UNSENT + 2 * 2**20


def test_a_client_that_is_gone_is_told(pair: Pair) -> None:
    pair.client.close()
    pair.wire.sendall(b"head")
    with pytest.raises(OSError, match="Broken pipe"):
        pair.wire.push()


def test_empty_pieces_are_none(pair: Pair) -> None:
    for piece in (b"", b"", b"x", b""):
        pair.wire.sendall(piece)
    assert pair.wire.push()
    assert pair.client.recv(10) == b"x"


def test_gunicorns_own_100_is_dropped(pair: Pair) -> None:
    assert pair.wire.send(b"HTTP/1.1 100 Continue\r\n\r\n") == 25
    assert pair.wire.unsent == 0
