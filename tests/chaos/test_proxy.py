"""The proxy knows a commit when it sees one, and misbehaves exactly as it was told."""

import asyncio
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.chaos.pgwire import Conversation
from tests.chaos.ports import LOOPBACK
from tests.chaos.proxy import Proxy


def query(text: bytes) -> bytes:
    return b"Q" + struct.pack(">I", len(text) + 5) + text + b"\0"


def ready(state: bytes) -> bytes:
    return b"Z" + struct.pack(">I", 5) + state


def a_session() -> Conversation:
    conversation = Conversation()
    conversation.sent(struct.pack(">II", 8, 196608))
    conversation.answered(ready(b"I"))
    return conversation


def test_a_commit_is_known() -> None:
    session = a_session()
    session.sent(query(b"BEGIN"))
    session.answered(ready(b"T"))
    assert session.sent(query(b"COMMIT"))


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO a VALUES (1)",
        b"update a set b = 1",
        b" WITH g AS (SELECT 1) UPDATE a",
        b"DISCARD PLANS; SET LOCAL jit = off; SET LOCAL enable_sort = off; EXECUTE tasks_1 ('x'); EXECUTE tasks_2 (1)",
    ],
)
def test_a_write_outside_of_a_transaction_commits(text: bytes) -> None:
    assert a_session().sent(query(text))


def test_a_write_inside_a_transaction_does_not_commit_yet() -> None:
    session = a_session()
    session.sent(query(b"BEGIN"))
    session.answered(ready(b"T"))
    assert not session.sent(query(b"UPDATE a SET b = 1"))


@pytest.mark.parametrize(
    "text", [b"SELECT 1", b"PREPARE tasks_1 AS UPDATE a SET b = 1", b"BEGIN", b"ROLLBACK", b"SELECT 'COMMIT'"]
)
def test_reads_and_rollbacks_commit_nothing(text: bytes) -> None:
    assert not a_session().sent(query(text))


def test_a_commit_is_known_however_its_bytes_arrive() -> None:
    session = a_session()
    whole = query(b"SELECT " + b"x" * 10_000) + query(b"COMMIT")
    assert [session.sent(whole[at : at + 7]) for at in range(0, len(whole), 7)].count(True) == 1


def test_the_end_of_an_answer_is_known_among_its_rows() -> None:
    row = b"D" + struct.pack(">I", 9) + b"Z\0\0\0\5"
    session = a_session()
    assert not session.answered(row)
    assert session.answered(row + ready(b"I"))


class EchoServer:
    """Answers each query with a ReadyForQuery."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=there)
        self._server = asyncio.ensure_future(self._serve(reader, writer))
        return await asyncio.open_connection(sock=here)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                self.heard.append(data)
                writer.write(ready(b"I"))
        finally:
            writer.transport.abort()


@pytest.fixture
def server() -> EchoServer:
    return EchoServer()


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[Proxy]:
    proxy = Proxy(server.connect, speaks_postgres=True, seed="a test")
    yield proxy
    proxy.stop()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as connection:
        connection.sendall(struct.pack(">II", 8, 196608))
        assert connection.recv(100) == ready(b"I")
        yield connection


def ask(client: socket.socket, text: bytes) -> bytes:
    """The answer; nothing if the connection was cut instead."""
    try:
        client.sendall(query(text))
        return client.recv(100)
    except ConnectionError:
        return b""


def test_a_proxy_that_behaves_passes_everything(client: socket.socket) -> None:
    assert ask(client, b"COMMIT") == ready(b"I")


def test_a_swallowed_commit_reaches_the_server_and_its_answer_not_the_client(
    proxy: Proxy, server: EchoServer, client: socket.socket
) -> None:
    proxy.swallow_commits(1.0)
    assert ask(client, b"SELECT 1") == ready(b"I")
    assert ask(client, b"COMMIT") == b""
    assert server.heard[-1] == query(b"COMMIT")
    assert proxy.swallowed == 1


def test_a_lost_commit_reaches_nobody(proxy: Proxy, server: EchoServer, client: socket.socket) -> None:
    proxy.lose_commits(1.0)
    assert ask(client, b"COMMIT") == b""
    assert server.heard[-1] != query(b"COMMIT")


def test_a_cut_connection_is_gone(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut(1.0)
    assert ask(client, b"SELECT 1") == b""


def test_a_refusing_proxy_takes_no_new_connection(proxy: Proxy, client: socket.socket) -> None:
    proxy.refuse()
    assert ask(client, b"SELECT 1") == b""
    with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as another:
        assert ask(another, b"SELECT 1") == b""


def test_a_stalled_proxy_goes_on_where_it_stopped(proxy: Proxy, client: socket.socket) -> None:
    proxy.stall()
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        ask(client, b"SELECT 1")
    client.settimeout(5)
    proxy.behave()
    assert client.recv(100) == ready(b"I")
