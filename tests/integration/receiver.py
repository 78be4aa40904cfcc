"""A server on 127.0.0.1 that answers what a test tells it to, byte by byte, and remembers what it was sent."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType

Respond = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Received:
    line: str
    headers: dict[str, str]
    body: bytes


def plainly(status: int = 200, body: bytes = b"", *headers: str) -> Respond:
    """A whole answer with a Content-Length."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers, "", ""]
    return exactly("\r\n".join(lines).encode("latin-1") + body)


def exactly(data: bytes) -> Respond:
    """These bytes, and the end of the connection."""
    return lambda connection: connection.sendall(data)


@dataclass
class Receiver:
    """`respond` is called for each connection once its request was read."""

    respond: Respond = field(default_factory=lambda: plainly())
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    reads: bool = True
    """Whether the body of a request is read before it is answered."""

    def __enter__(self) -> "Receiver":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with suppress(OSError), self._opened(connection) as opened:
                self.received.append(self._request(opened))
                self.respond(opened)

    @contextmanager
    def _opened(self, connection: socket.socket) -> Iterator[socket.socket]:
        with connection:
            connection.settimeout(30)
            if self.tls is None:
                yield connection
                return
            with self.tls.wrap_socket(connection, server_side=True) as secured:
                yield secured

    def _request(self, connection: socket.socket) -> Received:
        data = b""
        while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        line, *rest = head.decode("ascii").split("\r\n")
        headers = dict(entry.split(": ", 1) for entry in rest)
        while self.reads and len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        return Received(line, headers, body)
