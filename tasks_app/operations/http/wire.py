"""A connection to one checked address, on which every wait ends in time and every byte that comes in is counted."""

import io
import os
import select
import socket
import ssl
import time
from collections.abc import Sequence
from errno import EINPROGRESS
from functools import lru_cache, partial
from typing import BinaryIO, cast

from scheduler_service.outbound import Address
from tasks_app.operations.http.patience import Patience
from tasks_app.operations.http.urls import Target

CONNECT_SECONDS = 10.0
"""How long one of several addresses may leave a connection unanswered before the next is tried."""


class TooMuch(Exception):
    """More bytes came in than were allowed."""


class _Reader(io.BufferedReader):
    def flush(self) -> None:
        """Nothing is ever written; and a response that is dropped after the wire was closed flushes once more."""


class Wire(io.RawIOBase):
    """Reads and writes. `allowance` is how many bytes may still come in; reading beyond it raises TooMuch."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self.allowance = 0
        self._connection = connection
        self._patience = patience
        self._reader = _Reader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        if self.allowance <= 0:
            raise TooMuch
        part = memoryview(buffer)[: self.allowance]
        count = self._patience.through(self._connection, lambda: self._connection.recv_into(part))
        self.allowance -= count
        return count

    def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._patience.through(self._connection, partial(self._connection.send, rest)) :]

    def makefile(self, mode: str) -> BinaryIO:
        """What `http.client` reads from; always the same."""
        return cast(BinaryIO, self._reader)

    def close(self) -> None:
        self._connection.close()
        super().close()


def connect(target: Target, addresses: Sequence[Address], patience: Patience) -> Wire:
    """Connect to the first of these addresses that answers, with TLS for https. Raises OSError."""
    connection = _first(addresses, target.port, patience)
    try:
        if target.scheme == "https":
            connection = _secured(connection, target.host, patience)
        return Wire(connection, patience)
    except BaseException:
        connection.close()
        raise


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Verifies certificate and name, by the system's authorities (or those of OpenSSL's SSL_CERT_FILE)."""
    return ssl.create_default_context()


def _first(addresses: Sequence[Address], port: int, patience: Patience) -> socket.socket:
    failure = OSError("The name has no address.")
    for place, address in enumerate(addresses):
        share = patience.left() / (len(addresses) - place)
        try:
            return _connected(address, port, patience, min(share, CONNECT_SECONDS))
        except OSError as error:
            failure = error
    raise failure


def _connected(address: Address, port: int, patience: Patience, seconds: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        code = connection.connect_ex((str(address), port))
        if code == EINPROGRESS:
            code = _outcome(connection, patience, time.monotonic() + seconds)
        if code:
            raise OSError(code, os.strerror(code))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    except BaseException:
        connection.close()
        raise


def _outcome(connection: socket.socket, patience: Patience, until: float) -> int:
    poller = select.poll()
    poller.register(connection, select.POLLOUT)
    while not poller.poll(patience.moment() * 1000):
        if time.monotonic() > until:
            raise TimeoutError("The connection was not answered.")
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _secured(connection: socket.socket, host: str, patience: Patience) -> ssl.SSLSocket:
    wrapped = tls_context().wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
    try:
        patience.through(wrapped, wrapped.do_handshake)
    except BaseException:
        wrapped.close()
        raise
    return wrapped
