"""One request and its answer. Redirects are not followed, no proxy is used, nothing is decompressed."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

from scheduler_service.outbound import Address
from tasks_app.operations.http import wire
from tasks_app.operations.http.patience import Patience
from tasks_app.operations.http.urls import Target
from tasks_app.operations.http.wire import TooMuch, Wire

MAX_HEAD_BYTES = 64 * 1024
"""Of all that precedes an answer's body."""
_PIECE = 64 * 1024


class Broken(Exception):
    """What came back is no complete answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`truncated` says that the body went on; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool


def exchange(
    target: Target,
    addresses: Sequence[Address],
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    patience: Patience,
    most: int,
) -> Answer:
    """Send a request to one of these addresses, and read at most `most` bytes of the answer's body.

    Raises OSError, Broken and DeadlinePassed.
    """
    with closing(wire.connect(target, addresses, patience)) as connection:
        unsent: OSError | None = None
        try:
            connection.send(_head(target, method, headers, body) + (body or b""))
        except OSError as error:
            unsent = error  # who refuses a body may answer before it is read, and hang up
        try:
            return _answer(connection, method, most)
        except (HTTPException, TooMuch, ValueError, OSError) as error:
            if unsent is not None:
                raise unsent from None
            if isinstance(error, OSError):
                raise
            raise Broken("What came back is no complete answer in HTTP.") from error


def _head(target: Target, method: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    length = {} if body is None else {"content-length": str(len(body))}
    # Identity: a small answer that unpacks to a huge one must not be unpacked here.
    own = {"host": target.authority, "accept-encoding": "identity", "connection": "close"}
    lines = [f"{method} {target.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {**own, **headers, **length}.items()]
    if any(re.search(r"[\r\n\0]", line) for line in lines):
        raise ValueError("A line break in a request's head.")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _answer(connection: Wire, method: str, most: int) -> Answer:
    response = _begun(connection, method)
    body = bytearray()
    try:
        _read(connection, response, body, most + 1)
    except TooMuch:
        return Answer(response.status, _headers(response), bytes(body[:most]), True)
    return Answer(response.status, _headers(response), bytes(body[:most]), len(body) > most)


def _begun(connection: Wire, method: str) -> HTTPResponse:
    connection.allowance = MAX_HEAD_BYTES
    while True:
        response = HTTPResponse(connection, method=method)  # type: ignore[arg-type]
        response.begin()
        if response.status >= 200 or response.status == 101:
            return response
        response.fp = None  # type: ignore[assignment]  # "Early Hints" and its like; closing it would close all


def _read(connection: Wire, response: HTTPResponse, body: bytearray, most: int) -> None:
    # Chunks may be of one byte with six around it; who needs more than that does not want to be read.
    connection.allowance = 8 * most + MAX_HEAD_BYTES
    while len(body) < most and (piece := response.read1(min(_PIECE, most - len(body)))):
        body += piece
    if len(body) < most and response.length:
        raise Broken("The connection ended in the middle of the answer.")


def _headers(response: HTTPResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
