"""Where a request ends on the wire, and what is not waited for."""

from collections.abc import Iterable, Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from scheduler_service.webserver import arrival
from scheduler_service.webserver.arrival import HEAD_TOO_LARGE, LINE_TOO_LONG, TINY_CHUNKS, Arrival

MOST = 1000
HOST = b"Host: x\r\n"
NEXT = b"GET /next HTTP/1.1\r\n" + HOST + b"\r\n"


def request(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    fields = b"".join(line + b"\r\n" for line in lines)
    return b"POST /tasks/ HTTP/" + version + b"\r\n" + HOST + fields + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
WHOLE = {
    "no body": request(),
    "an empty line before it": b"\r\n" + request(),
    "no header": b"GET / HTTP/1.0\r\n\r\n",
    "a length": request(b"Content-Length: 5", body=b"12345"),
    "a length of none": request(b"content-length:0"),
    "the largest body": request(b"Content-Length: 1000", body=b"x" * 1000),
    "a length in the body": request(b"X-A: b", b"CONTENT-LENGTH:  4 ", body=b"\r\n\r\n"),
    "chunks": request(CHUNKED, body=b"5\r\n12345\r\nA;x=y\r\n1234567890\r\n0\r\n\r\n"),
    "a chunk that looks like the end": request(CHUNKED, body=b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
    "trailers": request(b"transfer-encoding:Chunked", body=b"1\r\nx\r\n000\r\nX-A: b\r\nX-B: c\r\n\r\n"),
    "a size with many zeros": request(CHUNKED, body=b"0" * 30 + b"5\r\n12345\r\n0\r\n\r\n"),
    "no chunks": request(CHUNKED, body=b"0\r\n\r\n"),
    "chunks behind a header that quotes an old request": request(
        b"X-Seen: GET / HTTP/1.0", CHUNKED, body=b"1\r\nx\r\n0\r\n\r\n"
    ),
}
NEVER = {
    "two lengths": request(b"Content-Length: 5", b"Content-Length: 5"),
    "a length and chunks": request(b"Content-Length: 5", CHUNKED),
    "chunks twice": request(CHUNKED, CHUNKED),
    "a coding after chunks": request(b"Transfer-Encoding: chunked, gzip"),
    "another coding": request(b"Transfer-Encoding: gzip"),
    "an unknown coding": request(b"Transfer-Encoding: xchunked"),
    "chunks in HTTP/1.0": request(CHUNKED, version=b"1.0"),
    "chunks in HTTP/1.0 behind an empty line": b"\r\n" + request(CHUNKED, version=b"1.0"),
    "a space before the colon": request(b"Transfer-Encoding : chunked"),
    "a space before the colon of a length": request(b"Content-Length : 5"),
    "a signed length": request(b"Content-Length: +5"),
    "a negative length": request(b"Content-Length: -5"),
    "a length with an underscore": request(b"Content-Length: 1_0"),
    "a length that is no number": request(b"Content-Length: five"),
    "a superscript length": request("Content-Length: ²".encode("latin-1")),
    "a list of lengths": request(b"Content-Length: 5, 5"),
    "a bare line feed": b"GET / HTTP/1.1\nHost: x\n\n",
    "a bare line feed among headers": b"GET / HTTP/1.1\r\nHost: x\n",
    "a size that is none": request(CHUNKED, body=b"x\r\n1\r\n"),
    "a signed size": request(CHUNKED, body=b"+1\r\n1\r\n"),
    "a size of 17 digits": request(CHUNKED, body=b"10000000000000001\r\n1"),
    "folded lines": request(b"X-A: b", b" Content-Length: 5"),
}


def arrived(pieces: Iterable[bytes], most: int = MOST) -> Arrival:
    made = Arrival(most)
    for piece in pieces:
        made.add(piece)
    return made


def split(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    last = 0
    for cut in sorted(cut % (len(data) + 1) for cut in cuts):
        yield data[last:cut]
        last = cut
    yield data[last:]


def parsed(data: bytes) -> tuple[bytes, bytes]:
    """What gunicorn takes for the body of the first request, and what it takes for the next one."""
    parser = RequestParser(Config(), [data], ("127.0.0.1", 1))
    body = next(parser).body.read()
    return body, parser.unreader.take_buffered()


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_the_end_is_where_gunicorn_sees_it(data: bytes) -> None:
    made = arrived([data + NEXT])
    assert (made.end, made.refusal) == (len(data), None)
    assert parsed(data)[1] == b""
    assert parsed(data + NEXT) == (parsed(data)[0], NEXT)


@given(st.sampled_from(sorted(WHOLE)), st.lists(st.integers(0, 2000), max_size=8))
def test_the_end_does_not_depend_on_how_the_bytes_come(name: str, cuts: list[int]) -> None:
    data = WHOLE[name]
    made = arrived(split(data, cuts))
    assert (made.end, made.is_whole) == (len(data), True)


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_request_is_not_whole_before_its_last_byte(data: bytes) -> None:
    made = Arrival(MOST)
    for number in range(len(data) - 1):
        made.add(data[number : number + 1])
        assert not made.is_whole, data[: number + 1]


@pytest.mark.parametrize("data", NEVER.values(), ids=NEVER)
def test_what_has_no_clear_end_is_handed_over_at_once_and_gunicorn_refuses_it(data: bytes) -> None:
    made = arrived([data])
    assert made.is_whole
    assert made.refusal is None
    with pytest.raises((errors.ParseException, errors.NoMoreData)):
        parsed(bytes(made.data[: made.end]))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(b"Content-Length: 1001"), 413),
        (request(b"Content-Length: " + b"9" * 5000), 413),
        (request(CHUNKED, body=b"3E9\r\n"), 413),
        (request(CHUNKED, body=b"FFFFFFFFFFFFFFFF\r\n"), 413),
        (request(CHUNKED, body=b"1f4\r\n" + b"x" * 500 + b"\r\n1f5\r\n"), 413),
        (b"GET /" + b"x" * arrival.MOST_HEAD, LINE_TOO_LONG.status),
        (b"GET / HTTP/1.1\r\nX-A: " + b"x" * arrival.MOST_HEAD, HEAD_TOO_LARGE.status),
        (request(*[b"X-A: b"] * 20_000), HEAD_TOO_LARGE.status),
        (request(CHUNKED, body=b"0\r\n" + b"X-A: b\r\n" * 20_000), HEAD_TOO_LARGE.status),
    ],
    ids=lambda value: "" if isinstance(value, int) else repr(value[:60]),
)
def test_what_is_too_large_is_refused_before_it_has_come(data: bytes, status: int) -> None:
    made = arrived([data])
    assert made.refusal is not None
    assert made.refusal.status == status


def test_a_large_body_of_tiny_chunks_is_refused_and_a_small_one_is_not() -> None:
    small = request(CHUNKED, body=b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")
    assert arrived([small], most=10**6).is_whole
    large = request(CHUNKED, body=b"1\r\nx\r\n" * 100_000)
    assert arrived([large], most=10**6).refusal == TINY_CHUNKS


@pytest.mark.parametrize(
    ("data", "waits"),
    [
        (request(b"Content-Length: 5", b"Expect: 100-Continue"), True),
        (request(CHUNKED, b"expect:100-continue"), True),
        (request(b"Content-Length: 5", b"Expect: 100-continue", body=b"12345"), False),
        (request(b"Content-Length: 5", b"Expect: 100-continue", version=b"1.0"), False),
        (request(b"X-Seen: GET / HTTP/1.0", b"Content-Length: 5", b"Expect: 100-continue"), True),
        (request(b"Content-Length: 5", b"Expect: miracles"), False),
        (request(b"Expect: 100-continue"), False),
    ],
)
def test_a_client_that_waits_for_a_100_is_known(data: bytes, waits: bool) -> None:
    assert arrived([data]).asks_to_continue is waits


def test_the_rest_of_a_body_is_asked_for_at_once_but_never_the_next_request() -> None:
    made = arrived([request(b"Content-Length: 900", body=b"x")])
    assert made.wanted == 899
