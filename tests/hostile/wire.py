"""Bytes over a socket, as no HTTP library would send them, and what comes back."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from launcher.processes import LOOPBACK

SECONDS = 15.0
HOST = f"Host: {LOOPBACK}\r\n"


@dataclass(frozen=True)
class Answer:
    """One answer; `status` is 0 if the server closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        return self.headers.get("content-type") == "application/problem+json"


CLOSED = Answer(0, {}, b"")


class Gone(Exception):
    """The server has closed the connection."""


class Client:
    """A connection that sends what it is given, and reads one answer after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._read = b""

    def send(self, data: bytes) -> None:
        """Send all of it, or as much as the server takes: its answer may be there all the same."""
        with suppress(ConnectionResetError, BrokenPipeError):
            self.socket.sendall(data)

    def answer(self, *, is_head: bool = False) -> Answer:
        """The next final answer; CLOSED if there is none. Raises TimeoutError."""
        try:
            status, headers = self._head()
            while status < 200:
                status, headers = self._head()
            if is_head or status in (204, 304):
                return Answer(status, headers, b"")
            if headers.get("transfer-encoding") == "chunked":
                return Answer(status, headers, self._chunks())
            return Answer(status, headers, self._bytes(int(headers["content-length"])))
        except (Gone, ConnectionResetError):
            return CLOSED

    def _head(self) -> tuple[int, dict[str, str]]:
        line, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = (each.partition(":") for each in lines)
        found = re.match(r"HTTP/1\.[01] (\d{3}) ", line)
        assert found, line
        return int(found[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._bytes(size)
            self._bytes(2)
        self._bytes(2)
        return body

    def _until(self, end: bytes) -> bytes:
        while end not in self._read:
            self._more()
        found, _, self._read = self._read.partition(end)
        return found

    def _bytes(self, number: int) -> bytes:
        while len(self._read) < number:
            self._more()
        found, self._read = self._read[:number], self._read[number:]
        return found

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise Gone
        self._read += data


@contextmanager
def connected(port: int, seconds: float = SECONDS) -> Iterator[Client]:
    with socket.create_connection((LOOPBACK, port), timeout=seconds) as connection:
        yield Client(connection)


def head(method: str, path: str, *lines: str, host: str = HOST) -> bytes:
    """A request's head; each of the lines is a header."""
    fields = "".join(f"{line}\r\n" for line in lines)
    return f"{method} {path} HTTP/1.1\r\n{host}{fields}\r\n".encode("latin-1")


def post(path: str, body: bytes, *lines: str, method: str = "POST") -> bytes:
    """A whole request with a JSON body."""
    return head(method, path, "Content-Type: application/json", f"Content-Length: {len(body)}", *lines) + body


def exchange(port: int, request: bytes, *, is_head: bool = False) -> Answer:
    """Send these bytes on a connection of their own; the answer to them."""
    with connected(port) as client:
        client.send(request)
        return client.answer(is_head=is_head)


def seconds_to_answer(port: int, request: bytes) -> float:
    """How long a client waits that does everything well. Fails the test if the answer is none of success."""
    began = time.monotonic()
    answer = exchange(port, request)
    assert 200 <= answer.status < 300, answer
    return time.monotonic() - began
