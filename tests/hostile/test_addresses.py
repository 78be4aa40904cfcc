"""Ids, methods and query parameters of every address in the document."""

from urllib.parse import quote

import pytest

from tests.hostile.sweep import Operation, Session, judged

pytestmark = pytest.mark.timeout(120)

UUID = "0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f"
NO_IDS = [
    "1",
    "-1",
    "0",
    "null",
    "undefined",
    "%00",
    "a%00b",
    "%20",
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%2F",
    "%5C",
    "%252e",
    "%FF",
    "%ED%A0%80",
    "%F0%9F%92%A9",
    UUID.replace("-", ""),
    UUID.upper() + "0",
    f"%7B{UUID}%7D",
    f"urn:uuid:{UUID}",
    UUID[:-1] + quote("٣"),
    UUID[:-1] + quote("ｆ"),
    UUID + "%0A",
    "%20" + UUID,
    UUID + ";x=y",
    "'%20OR%201=1--",
    "%3Cscript%3E",
    "a" * 3000,
]
VALUES = [
    "",
    " ",
    "\0",
    "a\0b",
    "-1",
    "0",
    "1e3",
    "1.5",
    "1_0",
    "٣",
    "²",
    "+1",
    "99999999999999999999",
    "9" * 3000,
    "NaN",
    "Infinity",
    "true",
    "null",
    "[]",
    "{}",
    "[1,2]",
    ",",
    ",,,",
    "' OR '1'='1",
    "1; DROP TABLE tasks_app_task;--",
    "%' ESCAPE '",
    "$ne",
    "(a+)+$",
    "[[:alpha:]]",
    "__class__",
    "pk__gt",
    "task__secret__startswith",
    "-",
    "--created_at",
    "created_at,priority",
    "?",
    "../../etc/passwd",
    "{{7*7}}",
    "%s%s%n",
    "x" * 3000,
    "💩",
    "\u202e",
    "\ud800",
    "2024-01-01",
    "2024-13-45T99:99:99Z",
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59+23:59",
    "0001-01-01T00:00:00+23:59",
    "2024-01-01T00:00:00",
    "{" + UUID + "}",
    UUID.replace("-", ""),
    f"urn:uuid:{UUID}",
]
INTEGERS = {"page_size", "priority", "priority_min", "priority_max", "hours", "count"}
NO_INTEGERS = (
    "",
    " ",
    "1e3",
    "1.5",
    "1.0",
    "1_0",
    "٣",
    "²",
    " 3",
    "NaN",
    "true",
    "null",
    "-1",
    "99999999999999999999",
)
TOLD_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
OTHER_METHODS = ("TRACE", "PROPFIND", "LINK", "PURGE", "FOO-BAR", "QUERY", "MOVE", "SEARCH")
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method")


def spelled(value: str) -> str:
    return quote(value, safe="", errors="surrogatepass")


def test_what_is_no_id_is_nobodys(session: Session, told: list[Operation], ids: dict[str, str]) -> None:
    before, found = session.web.rows(), []
    for each in told:
        for name in ids:
            if f"{{{name}}}" not in each.template:
                continue
            for value in NO_IDS:
                path = each.template.format(**{**ids, name: value})
                body = b"{}" if each.fields is not None else None
                # Two dots are a path of their own, which no id is part of.
                found += judged((str(each), path), session.ask(each.method, path, body), 404, 405)
    assert not found, "\n".join(found[:20])
    assert session.web.rows() == before


def test_every_query_parameter_takes_anything_without_harm(session: Session, told: list[Operation]) -> None:
    found = []
    for number, each in enumerate(told):
        for name in each.query:
            # Most names stand at several addresses, each of which takes another half.
            for value in VALUES[number % 2 :: 2]:
                body = b"{}" if each.fields is not None else None
                answer = session.ask(each.method, f"{each.path}?{name}={spelled(value)}", body)
                found += judged((str(each), name, value), answer, 200, 400)
                if answer.status == 400 and each.fields is None:
                    named = {fault.get("parameter") for fault in answer.json()["errors"]}
                    found += [] if named == {name} else [f"{each} {name}={value!r:.40} blames {named}"]
    assert not found, "\n".join(found[:20])


def test_integers_are_spelled_in_ascii_digits(session: Session, told: list[Operation]) -> None:
    found = []
    for each in told:
        for name in INTEGERS & set(each.query):
            for value in NO_INTEGERS:
                body = b'{"every_x_days": 1}' if each.fields is not None else None
                answer = session.ask(each.method, f"{each.path}?{name}={spelled(value)}", body)
                found += judged((str(each), name, value), answer, 400)
    assert not found, "\n".join(found[:20])


@pytest.mark.parametrize(
    "query",
    [
        "nope=1",
        "Page_Size=1",
        "page_size%00=1",
        "page_size[]=1",
        "page_size=1&page_size=2",
        "status__in=SUCCESS",
        "pk=1",
        "arguments__x=1",
        "format=api",
        "_method=DELETE",
        "__proto__[x]=1",
        "=1",
        "%FF=1",
        "x" * 2000 + "=1",
        "&".join(f"a{number}=1" for number in range(300)),
    ],
    ids=lambda query: query[:24],
)
def test_an_unknown_or_repeated_parameter_is_refused_everywhere(
    session: Session, told: list[Operation], query: str
) -> None:
    before, found = session.web.rows(), []
    for each in told:
        if not each.template.startswith("/health/"):
            body = b"{}" if each.fields is not None else None
            found += judged(
                (str(each), query[:40]), session.ask(each.method, f"{each.path}?{query}", body), 400
            )
    assert not found, "\n".join(found[:20])
    assert session.web.rows() == before


def test_a_method_that_is_not_documented_is_refused_everywhere(
    session: Session, told: list[Operation]
) -> None:
    before, found = session.web.rows(), []
    for path in {each.path for each in told}:
        known = {each.method for each in told if each.path == path}
        for method in (*sorted(TOLD_METHODS - known), *OTHER_METHODS):
            answer = session.ask(method, path, b"{}")
            found += judged((method, path), answer, 405)
            allowed = set(answer.headers.get("allow", "").split(", ")) & TOLD_METHODS
            found += [] if allowed == known else [f"{method} {path} allows {allowed}, not {known}"]
    assert not found, "\n".join(found[:20])
    assert session.web.rows() == before


def test_no_header_or_parameter_makes_another_method_of_a_request(
    session: Session, told: list[Operation]
) -> None:
    before, found = session.web.rows(), []
    for each in told:
        if each.method == "GET":
            for name in OVERRIDES:
                found += judged(
                    (str(each), name), session.ask("GET", each.path, None, f"{name}: DELETE"), 200
                )
    assert not found, "\n".join(found[:20])
    assert session.web.rows() == before


@pytest.mark.parametrize("method", ["get", "Get", "G ET", "GÉT", "A" * 30, "", "GET\t"])
def test_a_method_that_is_none_is_refused(session: Session, method: str) -> None:
    assert judged(method, session.ask(method, "/tasks/"), 400) == []


@pytest.mark.parametrize(
    "path",
    [
        "//tasks//",
        "/tasks/./",
        "/tasks/../tasks/",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static/../../etc/passwd",
        "/static/%2e%2e/%2e%2e/manage.py",
        "/static/..%5c..%5cmanage.py",
        "/static/%00",
        "/static//etc/passwd",
        "/admin/%00",
        "/admin/../tasks/",
        "/api/v1/api/v1/tasks/",
        "/api/v2/tasks/",
        "/TASKS/",
        "/tasks;x=y/",
        "/tasks/%3Fstatus=x",
        "/.env",
        "/.git/config",
        "/swagger.yaml",
        "/%C0%AE%C0%AE/",
        "/" + "a/" * 1000,
        "/" + "%41" * 1000,
        "http://evil.example/tasks/nope/",
    ],
    ids=lambda path: path[:30],
)
def test_an_address_that_is_none_tells_nothing(session: Session, path: str) -> None:
    answer = session.ask("GET", path)
    if path.startswith(("/static/", "/admin/")):  # people's pages: HTML
        assert answer.status in {302, 400, 404}
        assert b"Traceback" not in answer.body
        assert b"root:" not in answer.body
    else:
        assert judged(path, answer, 404) == []


@pytest.mark.parametrize(
    "path", ["tasks/", "*", "evil.example:80", "/a b", "/tasks/\x7f", "/t\u00e4sks/", ""]
)
def test_a_target_that_is_none_is_refused(session: Session, path: str) -> None:
    assert judged(path, session.ask("GET", path), 400) == []
