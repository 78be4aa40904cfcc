"""An HTTP client that costs little: requests are bytes made beforehand, answers are read and not looked into."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from launcher.processes import LOOPBACK

SECONDS = 30.0


class Refused(Exception):
    """An answer that is no 2xx."""


class Connection:
    """One connection, kept as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> None:
        """Send, and read the whole answer. Raises Refused, OSError."""
        is_fresh = self._socket is None
        try:
            self._exchange(request)
        except ConnectionError:
            if is_fresh:
                raise
            # The server may close a kept connection at any moment; nothing of an answer had come.
            self.close()
            self._exchange(request)

    def _exchange(self, request: bytes) -> None:
        if self._socket is None:
            self._socket = socket.create_connection((LOOPBACK, self.port), timeout=SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        head, _, body = self._head().partition(b"\r\n\r\n")
        fields = head.lower()
        self._body(len(body), _length(fields))
        if b"connection: close" in fields:
            self.close()
        if not head.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")):
            raise Refused((head.split(b"\r\n")[0] + b" " + body[:300]).decode(errors="replace"))

    def _head(self) -> bytes:
        assert self._socket is not None
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._socket.recv(1 << 20)
            if not more:
                raise ConnectionResetError("closed before an answer")
            data += more
        return data

    def _body(self, have: int, length: int) -> None:
        assert self._socket is not None
        while have < length:
            more = self._socket.recv(1 << 20)
            if not more:
                raise ConnectionAbortedError("closed inside an answer")
            have += len(more)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass
class Load:
    """Requests by several connections for a while.

    Attributes:
        request: makes a connection's request from its number and that of the request.
        started: when each answered request began, on the monotonic clock.
        seconds: how long each of them took.
    """

    port: int
    request: Callable[[int, int], bytes]
    connections: int
    began: float = 0.0
    ended: float = 0.0
    seconds: list[float] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def run(self, seconds: float) -> float:
        """Send until the time is up; answered requests per second. Raises what a request has raised."""
        self.began = time.monotonic()
        threads = [
            threading.Thread(target=self._hand, args=(number, self.began + seconds))
            for number in range(self.connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.ended = time.monotonic()
        if self.errors:
            raise self.errors[0]
        return len(self.seconds) / (self.ended - self.began)

    def _hand(self, number: int, deadline: float) -> None:
        connection, count = Connection(self.port), 0
        try:
            while (begun := time.monotonic()) < deadline and not self.errors:
                connection.send(self.request(number, count))
                self.seconds.append(time.monotonic() - begun)
                count += 1
        except (OSError, Refused) as error:
            self.errors.append(error)
        finally:
            connection.close()


def post(path: str, body: bytes) -> bytes:
    """The bytes of a POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str) -> bytes:
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode()


def _length(fields: bytes) -> int:
    _, found, rest = fields.partition(b"content-length:")
    if not found:
        raise Refused("an answer without Content-Length")
    return int(rest.split(b"\r\n")[0])
