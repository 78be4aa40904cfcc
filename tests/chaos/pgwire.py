"""Enough of PostgreSQL's protocol to know which message of a client commits, and when it is answered.

libpq sends what Django does as simple queries ('Q'). A query commits if it says COMMIT, or if it writes while no
transaction is open (what the service has prepared does); the server's ReadyForQuery ('Z') ends its answer and says
whether a transaction is open.
"""

import re

_WRITES = re.compile(
    rb"^\s*(?:(?:SET|DISCARD)\s[^;]*;\s*)*(?:INSERT|UPDATE|DELETE|WITH|EXECUTE)\b", re.IGNORECASE
)
_COMMITS = re.compile(rb"^\s*COMMIT\b", re.IGNORECASE)
QUERY, READY = b"Q", b"Z"
LENGTH_BYTES = 4
LONGEST_LOOK = 4096
"""Bytes of a message that are looked at."""


class _Messages:
    """Cuts a stream into messages: one byte of type, four of length, the rest. Keeps what is needed of each."""

    def __init__(self, *, has_startup: bool) -> None:
        self._buffer = b""
        self._skip = 0
        self._in_startup = has_startup

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The messages that have begun with this data, by type and the first bytes of their body."""
        found: list[tuple[bytes, bytes]] = []
        self._buffer += data
        while True:
            dropped = min(self._skip, len(self._buffer))
            self._buffer, self._skip = self._buffer[dropped:], self._skip - dropped
            head = 0 if self._in_startup else 1
            if self._skip or len(self._buffer) < head + LENGTH_BYTES:
                return found
            length = int.from_bytes(self._buffer[head : head + LENGTH_BYTES], "big")
            look = head + min(length, LONGEST_LOOK)
            if len(self._buffer) < look:
                return found
            found.append((self._buffer[:head], self._buffer[head + LENGTH_BYTES : look]))
            self._skip, self._in_startup = head + length, False


class Conversation:
    """One client's session: what it sends, and what it is answered."""

    def __init__(self) -> None:
        self.is_doomed = False
        """The answer to the commit under way is not to reach the client."""
        self._requests = _Messages(has_startup=True)
        self._answers = _Messages(has_startup=False)
        self._is_idle = True

    def sent(self, data: bytes) -> bool:
        """Take in what the client sends; whether a commit is among it."""
        return any(kind == QUERY and self._commits(body) for kind, body in self._requests.feed(data))

    def answered(self, data: bytes) -> bool:
        """Take in what the server sends; whether the answer to a request is complete."""
        is_complete = False
        for kind, body in self._answers.feed(data):
            if kind == READY:
                is_complete, self._is_idle = True, body[:1] == b"I"
        return is_complete

    def _commits(self, query: bytes) -> bool:
        return bool(_COMMITS.match(query) or (self._is_idle and _WRITES.match(query)))
