"""A connection's socket as gunicorn's threads see it: neither reading nor writing on it waits for the client."""

import select
import socket
from collections import deque
from typing import IO

MOST_UNSENT = 4 * 2**20
"""Bytes of an answer made piece by piece that are kept before its maker has to wait. A ready answer is one piece."""


class Wire:
    """Reads from a request that has come whole; what the client does not take at once is kept for `push`.

    A head is held back until its body or the end comes, so that both make one packet.
    """

    def __init__(self, raw: socket.socket, patience: float) -> None:
        raw.setblocking(False)
        self._raw = raw
        self._patience = patience
        self._request = memoryview(b"")
        self._unsent: deque[memoryview] = deque()
        self.unsent = 0
        """Bytes that the client has not taken yet."""
        self.sent = 0
        """Bytes that it has taken since `take`."""

    def take(self, request: bytes) -> None:
        """Read from this from now on."""
        self._request = memoryview(request)
        self.sent = 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """The next bytes of the request; none at its end, and never those of the next one."""
        part = bytes(self._request[:size])
        self._request = self._request[size:]
        return part

    def sendall(self, data: bytes) -> None:
        """Send or keep. Raises OSError once the client is gone."""
        is_head = not self._unsent and not self.sent
        self._unsent.append(memoryview(data))
        self.unsent += len(data)
        if not is_head and not self.push() and self.unsent > MOST_UNSENT + len(data):
            self._wait()

    def send(self, data: bytes) -> int:
        """gunicorn sends only its `100 Continue` so, and a body that is here needs none any more."""
        return len(data)

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """As `socket.sendfile`."""
        file.seek(offset)
        data = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)

    def push(self) -> bool:
        """Send as much as the client takes at once; True if nothing is left. Raises OSError if it is gone."""
        try:
            while self._unsent:
                self._forget(self._raw.sendmsg([*self._unsent][:64]))
        except BlockingIOError:
            return False
        return True

    def _forget(self, taken: int) -> None:
        self.sent += taken
        self.unsent -= taken
        while taken:
            first = self._unsent.popleft()
            if len(first) > taken:
                self._unsent.appendleft(first[taken:])
                return
            taken -= len(first)
        while self._unsent and not self._unsent[0]:
            self._unsent.popleft()

    def _wait(self) -> None:
        waiting = select.poll()
        waiting.register(self._raw, select.POLLOUT)
        while not self.push():
            if not waiting.poll(self._patience * 1000):
                raise ConnectionAbortedError("the client takes nothing of its answer")

    def setblocking(self, flag: bool) -> None:
        """Nothing here blocks, whatever is asked for."""

    def settimeout(self, seconds: float | None) -> None:
        """Nothing here blocks, whatever is asked for."""

    def gettimeout(self) -> float:
        """As of a socket that does not block."""
        return 0.0

    def fileno(self) -> int:
        """That of the socket."""
        return self._raw.fileno()

    def shutdown(self, how: int) -> None:
        """Left to the worker, which sends first what is left."""

    def close(self) -> None:
        """Left to the worker, which sends first what is left."""
