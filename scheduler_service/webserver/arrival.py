"""How much of a request has come (RFC 9112): pure, so that the loop that asks waits for nothing.

It only finds out where a request ends. Whether it is a proper one is judged by gunicorn's parser afterwards, which
gets exactly these bytes: what is doubtful here is handed over as it is, and refused there.
"""

import re
from dataclasses import dataclass

MOST_HEAD = 64 * 1024
"""Bytes of a request line and its headers; gunicorn's own limits for each of them are far below."""

MOST_FRAMING = 128 * 1024
"""Bytes of chunk sizes that any body may have; beyond, an eighth of the body: tiny chunks cost more than they carry."""

PIECE = 16 * 1024
LARGE_PIECE = 1024 * 1024
_LONGEST_SIZE = 18  # digits that still make a 64 bit integer
_FIELDS = re.compile(
    rb"\r\n(content-length|transfer-encoding|expect):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE
)
# Of the request line alone: a header may quote another request's. As gunicorn, behind empty lines.
_OLD_LINE = re.compile(rb"(?:\r\n)*[^\r\n]* HTTP/1\.0\r\n")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
# As gunicorn, with any number of leading zeros: else it would depend on the packets where such a body ends.
_CHUNK_SIZE = re.compile(rb"(0*[0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]*)?")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not taken: what becomes the problem's `status`, `code` and `detail`."""

    status: int
    code: str
    detail: str


LINE_TOO_LONG = Refusal(414, "uri_too_long", "The address is too long; ask for less in one request.")
HEAD_TOO_LARGE = Refusal(
    431, "headers_too_large", f"The headers have more than {MOST_HEAD} bytes; send fewer or shorter ones."
)
TINY_CHUNKS = Refusal(
    400, "tiny_chunks", "The body comes in too many tiny chunks; send larger ones, or a Content-Length."
)


def too_large(most_body: int) -> Refusal:
    """What is said to a body of more bytes than these."""
    detail = f"The body is larger than {most_body} bytes; send it in smaller parts."
    return Refusal(413, "payload_too_large", detail)


class Arrival:
    """One request on its way.

    Attributes:
        data: what has come, and perhaps the beginning of the next request.
        end: where the request ends in `data`; 0 while that is not known.
        refusal: set as soon as it is known that the request will not be taken.
        asks_to_continue: whether the client waits for a 100 before it sends the body.
    """

    __slots__ = (
        "_chunk",
        "_framing",
        "_head",
        "_most_body",
        "_searched",
        "asks_to_continue",
        "data",
        "end",
        "refusal",
    )

    def __init__(self, most_body: int) -> None:
        self.data = bytearray()
        self.end = 0
        self.refusal: Refusal | None = None
        self.asks_to_continue = False
        self._most_body = most_body
        self._head = 0
        self._searched = 0
        self._chunk = 0  # where the next chunk begins, if the body has chunks
        self._framing = 0

    @property
    def is_whole(self) -> bool:
        """Whether the last byte is here."""
        return 0 < self.end <= len(self.data)

    @property
    def wanted(self) -> int:
        """How many bytes to ask the socket for."""
        return min(self.end - len(self.data), LARGE_PIECE) if self.end > len(self.data) else PIECE

    def add(self, data: bytes) -> None:
        """Take the next bytes in."""
        self.data += data
        if not self._head:
            self._find_head()
        elif self._chunk and not self.end:
            self._follow_chunks()

    def _find_head(self) -> None:
        found = self.data.find(b"\r\n\r\n", max(0, self._searched - 3))
        since, self._searched = self._searched, len(self.data)
        if found >= MOST_HEAD or (found < 0 and len(self.data) > MOST_HEAD):
            self.refusal = HEAD_TOO_LARGE if b"\r\n" in self.data[:MOST_HEAD] else LINE_TOO_LONG
        elif found >= 0:
            self._head = found + 4
            self._frame()
        elif _BARE_LINE_FEED.search(self.data, max(0, since - 1)):
            self.end = len(self.data)  # the end would never be found; the parser refuses it at once

    def _frame(self) -> None:
        fields = [(name.lower(), value) for name, value in _FIELDS.findall(self.data, 0, self._head)]
        if not fields:
            self.end = self._head
            return
        lengths = [value for name, value in fields if name == b"content-length"]
        codings = [value for name, value in fields if name == b"transfer-encoding"]
        if not codings and len(lengths) == 1 and lengths[0].isdigit():
            self._expect_length(lengths[0])
        elif [coding.lower() for coding in codings] == [b"chunked"] and not lengths and not self._is_old:
            self._chunk = self._head
            self._follow_chunks()
        else:
            self.end = self._head  # no body, or a framing that the parser refuses
        waits = any(name == b"expect" and value.lower() == b"100-continue" for name, value in fields)
        self.asks_to_continue = waits and not self.is_whole and not self._is_old

    @property
    def _is_old(self) -> bool:
        return _OLD_LINE.match(self.data, 0, self._head) is not None

    def _expect_length(self, digits: bytes) -> None:
        if len(digits) > _LONGEST_SIZE or int(digits) > self._most_body:
            self.refusal = too_large(self._most_body)
        else:
            self.end = self._head + int(digits)

    def _follow_chunks(self) -> None:
        while not self.end and not self.refusal:
            line_end = self.data.find(b"\r\n", self._chunk, self._chunk + PIECE)
            if line_end < 0:
                self._await_size()
                return
            size = _CHUNK_SIZE.fullmatch(self.data, self._chunk, line_end)
            if size is None:
                self.end = len(self.data)  # no chunk; the parser says so
            elif int(size[1], 16) == 0:
                self._find_trailers_end(line_end)
                return
            elif not self._skip_chunk(line_end, int(size[1], 16)):
                return

    def _await_size(self) -> None:
        if len(self.data) - self._chunk > PIECE:
            self.end = len(self.data)

    def _skip_chunk(self, line_end: int, size: int) -> bool:
        """Go on behind a chunk; False if it has not come whole."""
        following = line_end + 2 + size + 2
        framing = self._framing + (following - self._chunk - size)
        carried = following - self._head - framing
        if carried > self._most_body:
            self.refusal = too_large(self._most_body)
        elif framing > MOST_FRAMING + carried // 8:
            self.refusal = TINY_CHUNKS
        elif len(self.data) >= following:
            self._chunk, self._framing = following, framing
            return True
        return False

    def _find_trailers_end(self, line_end: int) -> None:
        found = self.data.find(b"\r\n\r\n", line_end)
        if found >= 0:
            self.end = found + 4
        elif len(self.data) - line_end > MOST_HEAD:
            self.refusal = HEAD_TOO_LARGE
