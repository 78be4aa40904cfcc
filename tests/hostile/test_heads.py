"""Request lines, headers and framings that no HTTP library would send."""

import re

import pytest

from tests.hostile.server import Web
from tests.hostile.sweep import Session, judged
from tests.hostile.wire import CLOSED, HOST, connected, exchange, head, post

pytestmark = pytest.mark.timeout(60)

TASK = b'{"operation": "4+7"}'
JSON = "Content-Type: application/json\r\n"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SMUGGLED = head("DELETE", "/calendars/seed/")


def raw(*lines: str, line: str = "POST /tasks/ HTTP/1.1", body: bytes = TASK) -> bytes:
    """A request of exactly these lines."""
    return "\r\n".join([line, *lines, "", ""]).encode("latin-1") + body


H = HOST.strip()
J = JSON.strip()
REFUSED = {
    "two hosts": (raw(H, H, J, "Content-Length: 20"), 400),
    "no host": (raw(J, "Content-Length: 20"), 400),
    "an empty host": (raw("Host:", J, "Content-Length: 20"), 400),
    "another host": (raw("Host: evil.example", J, "Content-Length: 20"), 400),
    "a host with a user": (raw("Host: 127.0.0.1@evil.example", J, "Content-Length: 20"), 400),
    "a host with a path": (raw("Host: 127.0.0.1/x", J, "Content-Length: 20"), 400),
    "half an IPv6 host": (raw("Host: [::1", J, "Content-Length: 20"), 400),
    "a list of hosts": (raw("Host: 127.0.0.1, evil.example", J, "Content-Length: 20"), 400),
    "a long host": (raw("Host: " + "a" * 5000, J, "Content-Length: 20"), 400),
    "a length and chunks": (raw(H, J, "Content-Length: 20", "Transfer-Encoding: chunked"), 400),
    "chunks and a length": (raw(H, J, "Transfer-Encoding: chunked", "Content-Length: 4", body=SMUGGLED), 400),
    "two lengths": (raw(H, J, "Content-Length: 20", "Content-Length: 20"), 400),
    "two other lengths": (raw(H, J, "Content-Length: 0", "Content-Length: 20"), 400),
    "a list of lengths": (raw(H, J, "Content-Length: 20, 20"), 400),
    "a negative length": (raw(H, J, "Content-Length: -1"), 400),
    "a signed length": (raw(H, J, "Content-Length: +20"), 400),
    "a length in hex": (raw(H, J, "Content-Length: 0x14"), 400),
    "a length of many digits": (raw(H, J, "Content-Length: " + "9" * 5000), 413),
    "an unknown coding": (raw(H, J, "Transfer-Encoding: xchunked"), 400),
    "a hidden coding": (raw(H, J, "Transfer-Encoding: \x0bchunked", "Content-Length: 20"), 400),
    "a coding twice": (raw(H, J, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"), 400),
    "gzip": (raw(H, J, "Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 400),
    "a coding with a space before the colon": (raw(H, J, "Transfer-Encoding : chunked"), 400),
    "a folded coding": (raw(H, J, "Transfer-Encoding:", " chunked"), 400),
    "chunks in HTTP/1.0": (raw(H, J, "Transfer-Encoding: chunked", line="POST /tasks/ HTTP/1.0"), 400),
    "a size that is none": (raw(H, J, "Transfer-Encoding: chunked", body=b"xyz\r\n{}\r\n0\r\n\r\n"), 400),
    "a negative size": (raw(H, J, "Transfer-Encoding: chunked", body=b"-1\r\n{}\r\n0\r\n\r\n"), 400),
    "a wrong size": (raw(H, J, "Transfer-Encoding: chunked", body=b"3\r\n{}\r\n0\r\n\r\n"), 400),
    "a chunk without an end": (raw(H, J, "Transfer-Encoding: chunked", body=b"2\r\n{}0\r\n\r\n"), 400),
    "a huge size": (raw(H, J, "Transfer-Encoding: chunked", body=b"FFFFFFFFFFFFFFFF\r\n{}"), 413),
    "a bad extension": (raw(H, J, "Transfer-Encoding: chunked", body=b"2;\x00\r\n{}\r\n0\r\n\r\n"), 400),
    "a smuggling trailer": (
        raw(H, J, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"),
        400,
    ),
    "a NUL": (raw(H, "X-A: a\0b", line="GET /tasks/ HTTP/1.1", body=b""), 400),
    "a bare CR": (raw(H, "X-A: a\rX-B: c", line="GET /tasks/ HTTP/1.1", body=b""), 400),
    "bare LFs": (b"GET /tasks/ HTTP/1.1\nHost: 127.0.0.1\n\n", 400),
    "a header without a colon": (raw(H, "Authorization Bearer hunter2-of-a-client", body=b""), 400),
    "a header without a name": (raw(H, ": x", body=b""), 400),
    "a name with a space": (raw(H, "X A: b", body=b""), 400),
    "a name with a tab": (raw(H, "X-A\t: b", body=b""), 400),
    "a name in UTF-8": (raw(H, "X-\xc3\xa4: b", body=b""), 400),
    "folded headers": (raw(H, "X-A: a", "\tb", body=b""), 400),
    "a first line that is folded": (raw(" X-A: b", H, body=b""), 400),
    "a long header": (raw(H, "X-A: " + "a" * 9000, body=b""), 431),
    "many headers": (raw(H, *["X-A: b"] * 101, body=b""), 431),
    "a long head": (raw(H, *["X-A: " + "b" * 1000] * 90, body=b""), 431),
    "a head without an end": (b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000, 431),
    "a line without an end": (b"GET /" + b"a" * 200_000, 414),
    "a long address": (raw(H, line="GET /tasks/?tag=" + "a" * 9000 + " HTTP/1.1", body=b""), 414),
    "an expected miracle": (raw(H, J, "Content-Length: 20", "Expect: a-miracle"), 417),
    "HTTP/0.9": (b"GET /tasks/\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/3": (raw(H, line="GET /tasks/ HTTP/3.0", body=b""), 400),
    "HTTP/1.1.1": (raw(H, line="GET /tasks/ HTTP/1.1.1", body=b""), 400),
    "http/1.1": (raw(H, line="GET /tasks/ http/1.1", body=b""), 400),
    "two spaces": (raw(H, line="GET  /tasks/ HTTP/1.1", body=b""), 400),
    "a tab": (raw(H, line="GET\t/tasks/\tHTTP/1.1", body=b""), 400),
    "CONNECT": (raw(H, line="CONNECT evil.example:443 HTTP/1.1", body=b""), 404),
    "the PROXY protocol": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n" + b"\0" * 300, 400),
    "noise": (bytes(range(256)) * 20 + b"\r\n\r\n", 400),
    "an empty request": (b"\r\n\r\n\r\n\r\n", 400),
}


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_and_does_nothing(web: Web, ids: dict[str, str], request_: bytes, status: int) -> None:
    before, written = web.rows(), len(web.log)
    with connected(web.port) as client:
        client.send(request_)
        assert judged(request_[:60], client.answer(), status) == []
        # Nothing is read behind a request whose end is in doubt.
        client.send(head("GET", "/health/live", "X-Request-ID: next"))
        following = client.answer()
        assert following is CLOSED or following.headers["x-request-id"] == "next"
    assert web.rows() == before
    assert "hunter2" not in web.log[written:]


HARMLESS = {
    "a path instead of ours": "SCRIPT_NAME: /x",
    "another address": "PATH_INFO: /calendars/seed/",
    "an underscore": "X_Forwarded_Proto: https",
    "another method": "REQUEST_METHOD: DELETE",
    "another server": "X-Forwarded-Host: evil.example",
    "another scheme": "X-Forwarded-Proto: https",
    "another scheme, spelled otherwise": "X-Forwarded-Ssl: on",
    "a third spelling": "X-Forwarded-Protocol: ssl",
    "another port": "X-Forwarded-Port: 1",
    "another prefix": "X-Forwarded-Prefix: /x",
    "other senders": "X-Forwarded-For: 127.0.0.1, ::1, evil",
    "Forwarded": 'Forwarded: for="[::1]";host=evil.example;proto=https',
    "another URL": "X-Original-URL: /calendars/seed/",
    "a rewritten URL": "X-Rewrite-URL: /admin/",
    "bytes": "X-A: \xff\xfe\x80",
    "a broken session": "Cookie: sessionid=\xff; csrftoken='; DROP TABLE x;--; =; ;;; sessionid",
    "a long cookie": "Cookie: " + "a=b; " * 1500,
    "another type": "Accept: text/html",
    "no type": "Accept: */*;q=0",
    "a broken type": "Accept: ////;;;,,,application/json;indent=999999999",
    "a language": "Accept-Language: ../../etc/passwd, x-" + "a" * 500,
    "a range": "Range: bytes=0-0,-99999999999,5-1",
    "HTTP/2": "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    "a WebSocket": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x",
    "an unmodified since": "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
    "a tag": 'If-None-Match: "' + "x" * 4000 + '", W/"\xff", *x',
    "hops": "Connection: close, host, content-length, x-request-id",
    "a broken date": "If-Modified-Since: Thu, 99 Foo 99999999999 99:99:99 GMT",
    "a trace": "traceparent: 00-" + "g" * 32 + "-x-01\r\ntracestate: " + "a=b," * 500,
    "a trailer": "Trailer: Host\r\nTE: trailers",
    "an expectation": "Expect: 100-continue",
}


@pytest.mark.parametrize("line", HARMLESS.values(), ids=HARMLESS)
def test_a_header_that_others_heed_changes_nothing(web: Web, ids: dict[str, str], line: str) -> None:
    before = web.rows()
    path = "/task-schedules/?page_size=1"
    plain = exchange(web.port, head("GET", path))
    answer = exchange(web.port, head("GET", path, line))
    accepted = (200, 406) if line.startswith("Accept: ") else (200,)
    assert judged(line[:40], answer, *accepted) == []
    if answer.status == 200:
        assert answer.json()["results"] == plain.json()["results"]
    assert b"evil" not in answer.body
    assert "evil" not in repr(answer.headers)
    assert b"https://" not in answer.body
    assert web.rows() == before


@pytest.mark.parametrize(
    "given",
    [
        "a b",
        "a" * 129,
        "\xff",
        "<script>",
        "%0d%0aSet-Cookie:x=y",
        "",
        "${jndi:ldap://x}",
        "a, b",
        '"a"',
        "a;b",
    ],
)
def test_a_request_id_that_could_spoil_a_log_is_replaced(web: Web, given: str) -> None:
    answer = exchange(web.port, head("GET", "/operations/", f"X-Request-ID: {given}"))
    assert answer.status == 200
    assert UUID.fullmatch(answer.headers["x-request-id"])


@pytest.mark.parametrize("given", ["", " ", "\t", "a" * 256, "\xff", "ä", "a\x80b"])
def test_an_idempotency_key_that_is_none_is_refused(session: Session, given: str) -> None:
    before = session.web.rows()
    answer = session.ask("POST", "/tasks/", TASK, f"Idempotency-Key: {given}")
    assert judged(given, answer, 400) == []
    assert answer.json()["code"] == "invalid_idempotency_key"
    assert session.web.rows() == before


def test_an_idempotency_key_is_no_pattern_and_no_path(session: Session) -> None:
    """Keys that only differ in what databases, shells or regular expressions take for something else are others."""
    keys = ["a%", "a_", "ab", "A_", "a'--", 'a"', "a\\", "../a", "a,b", "a" * 255]
    made = [session.ask("POST", "/tasks/", TASK, f"Idempotency-Key: {key}").json()["task_id"] for key in keys]
    assert len(set(made)) == len(keys)


@pytest.mark.parametrize(
    "given",
    [
        "",
        '"',
        '""',
        "1",
        "'1'",
        'W/"1"',
        '"0"',
        '"-1"',
        '"99999999999"',
        '"1-"x',
        '"٣"',
        "*, *",
        '"' + "9" * 4000 + '"',
        "\xff",
    ],
)
@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_a_tag_that_does_not_match_changes_nothing(
    session: Session, ids: dict[str, str], given: str, method: str
) -> None:
    before = session.web.rows()
    line = "If-Match: " + given.encode().decode("latin-1")
    body = b'{"name": "changed"}' if method == "PATCH" else None
    answer = session.ask(method, f"/task-schedules/{ids['schedule_id']}/", body, line)
    assert judged((method, given), answer, 400, 412) == []
    assert session.web.rows() == before


def test_what_hides_in_a_body_is_no_request(web: Web, ids: dict[str, str]) -> None:
    before = web.rows()
    with connected(web.port) as client:
        # A GET's body, and one that no view reads: both stay bodies, also with more behind them.
        for request in (post("/tasks/", SMUGGLED, method="GET"), post("/nowhere/", SMUGGLED * 3000)):
            client.send(request + head("GET", "/operations/"))
            first, second = client.answer(), client.answer()
            assert (first.status, second.status) in {(200, 200), (404, 200)}
    assert web.rows() == before


def test_requests_that_come_at_once_are_answered_in_their_order(web: Web) -> None:
    with connected(web.port) as client:
        asked = [f"r-{number}" for number in range(40)]
        client.send(b"".join(head("GET", "/health/live", f"X-Request-ID: {name}") for name in asked))
        assert [client.answer().headers["x-request-id"] for _ in asked] == asked


@pytest.mark.parametrize("path", ["/health/live", "/tasks/", "/nowhere/"])
def test_a_head_request_has_the_headers_of_a_get_and_no_body(web: Web, path: str) -> None:
    with connected(web.port) as client:
        client.send(head("HEAD", path) + head("GET", "/health/live"))
        first = client.answer(is_head=True)
        assert first.status in {200, 404}
        assert client.answer().json() == {"status": "ok"}
