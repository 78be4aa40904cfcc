"""An HTTP client that costs little, since it shares the machine: requests are bytes made beforehand, answers are
read into one buffer and not looked into, and many connections belong to one thread.
"""

import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from launcher.processes import LOOPBACK

SECONDS = 30.0
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Refused(Exception):
    """An answer that is no 2xx."""


class Connection:
    """One connection, kept as long as the server keeps it. It belongs to one thread."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: socket.socket | None = None
        self._buffer = bytearray(1 << 18)
        self._request = b""
        self._is_fresh = True
        self._head = b""
        self._left: int | None = None

    def send(self, request: bytes) -> None:
        """Send, and read the whole answer. Raises Refused, OSError."""
        self.begin(request)
        while not self.read():
            pass

    def begin(self, request: bytes) -> None:
        """Send, and don't wait for the answer: `read` until it says that it is there. Raises OSError."""
        self._request, self._head, self._left = request, b"", None
        self._is_fresh = self._socket is None
        try:
            self._open().sendall(request)
        except ConnectionError:
            self._again()

    def read(self) -> bool:
        """Wait for some of the answer; whether it is complete. Raises Refused, OSError."""
        try:
            size = self._open().recv_into(self._buffer)
        except ConnectionError:
            size = 0
        if not size:
            self._again()
        elif self._left is None:
            self._begin_answer(bytes(self._buffer[:size]))
        else:
            self._left -= size
        if self._left is None or self._left > 0:
            return False
        if CLOSES.search(self._head):
            self.close()
        return True

    def _begin_answer(self, data: bytes) -> None:
        self._head, found, body = (self._head + data).partition(b"\r\n\r\n")
        if not found:
            return
        if not self._head.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")):
            raise Refused((self._head.split(b"\r\n")[0] + b" " + body[:300]).decode(errors="replace"))
        length = LENGTH.search(self._head)
        if length is None:
            raise Refused("an answer without Content-Length")
        self._left = int(length[1]) - len(body)

    def _again(self) -> None:
        """The server may close a kept connection at any moment; but then nothing of an answer has come."""
        if self._is_fresh or self._head:
            raise ConnectionResetError("closed before the end of an answer")
        self.close()
        self._is_fresh = True
        self._open().sendall(self._request)

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection((LOOPBACK, self.port), timeout=SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def fileno(self) -> int:
        """For `select`; another one after the server has closed it. Opens it."""
        return self._open().fileno()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass
class Load:
    """Requests over several connections for a while, one under way on each of them.

    Attributes:
        request: makes a connection's request from its number and that of the request.
        cpu_share: what this has taken of a core.
    """

    port: int
    request: Callable[[int, int], bytes]
    connections: int
    cpu_share: float = 0.0

    def run(self, seconds: float) -> float:
        """Send until the time is up; answered requests per second. Raises Refused, OSError."""
        hands = [Connection(self.port) for _ in range(self.connections)]
        began, cpu = time.monotonic(), time.thread_time()
        try:
            answered = self._run(hands, began + seconds)
        finally:
            for hand in hands:
                hand.close()
        taken = time.monotonic() - began
        self.cpu_share = (time.thread_time() - cpu) / taken
        return answered / taken

    def _run(self, hands: list[Connection], deadline: float) -> int:
        for number, hand in enumerate(hands):
            hand.begin(self.request(number, 0))
        counts, waiting = [1] * len(hands), set(range(len(hands)))
        while waiting:
            ready = select.select([hands[number] for number in waiting], [], [], SECONDS)[0]
            if not ready:
                raise TimeoutError(f"no answer in {SECONDS:g} s")
            for number in [number for number in waiting if hands[number] in ready]:
                if not hands[number].read():
                    continue
                if time.monotonic() < deadline:
                    hands[number].begin(self.request(number, counts[number]))
                    counts[number] += 1
                else:
                    waiting.discard(number)
        return sum(counts)


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
