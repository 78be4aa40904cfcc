"""Bodies: every field takes anything without harm, and none is taken over that is not documented."""

import gzip
import itertools
import json

import pytest
from django.apps import apps

from tests.hostile.sweep import Operation, Session, judged, read_only
from tests.hostile.wire import head

pytestmark = pytest.mark.timeout(120)

# Text of JSON, or of what some take for it; none is a value that any field takes.
NEVER = [
    b'"\\u0000"',
    b'"\\ud800"',
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"9223372036854775808",
    b"-" + b"9" * 400,
    b"[" * 70 + b"]" * 70,
    b"'x'",
    b"undefined",
    b"",
    b"01",
    b"\xff",
    b'"\xed\xa0\x80"',
    b"1,",
]
VALUES = [
    b"null",
    b"true",
    b"-1",
    b"0.5",
    b"1e3",
    b"1e-400",
    b"9007199254740993",
    b'""',
    b'" "',
    b'"\\u202e\\ufeff"',
    '"٣"'.encode(),
    '"ｔrue"'.encode(),
    b'"1_0"',
    b'"Infinity"',
    b'"\'; DROP TABLE tasks_app_task;--"',
    b'"{{7*7}}${7*7}%s%n"',
    b'"../../etc/passwd"',
    b'"http://169.254.169.254/"',
    b'"__proto__"',
    b'"' + b"x" * 300_000 + b'"',
    b"[]",
    b"[[]]",
    b"[null]",
    b"[" + b"1," * 20_000 + b"1]",
    b"{}",
    b'{"$ne": 1}',
    b'{"": ""}',
    b'{"__class__": "os.system"}',
    b'"2024-02-30T00:00:00Z"',
    b'"0001-01-01T00:00:00+23:59"',
    b'"9999-12-31T23:59:59.999999-23:59"',
    b'"* * * * * * *"',
    b'"FREQ=SECONDLY;COUNT=999999999"',
    b'"(a+)+$"',
]
FIRSTS = {
    "/tasks/": {"operation": "4+7"},
    "/tasks/batch-request/": {"operation": "4+7"},
    "/task-schedules/": {"operation": "4+7", "every_x_days": 1},
    "/task-schedules/preview/": {"every_x_days": 1},
    "/calendars/": {"name": "other"},
}
INTERNAL = {
    "id",
    "pk",
    "fence",
    "worker",
    "lease_expires_at",
    "project",
    "project_id",
    "owner",
    "is_staff",
    "__class__",
}


def body(each: Operation, name: str, value: bytes) -> bytes:
    """A body that would do but for one field; `value` goes into it as it is."""
    first = {field: text for field, text in FIRSTS.get(each.template, {}).items() if field != name}
    fields = json.dumps(first)[1:-1].encode()
    made = b"{" + fields + (b"," if first else b"") + json.dumps(name).encode() + b":" + value + b"}"
    return b"[" + made + b"]" if each.is_list else made


def query(each: Operation) -> str:
    return each.path + ("?atomic=true" if each.is_list else "")


def share(values: list[bytes], number: int, parts: int) -> list[bytes]:
    """A part of them, another one for the next address: most fields stand at several, and all values meet each kind."""
    return values[number % parts :: parts]


def test_what_no_field_takes_is_refused_at_every_field(
    session: Session, told_bodies: list[Operation]
) -> None:
    before, found = session.web.rows(), []
    for number, each in enumerate(told_bodies):
        for name in sorted(each.fields or ()):
            for value in share(NEVER, number, 2):
                answer = session.ask(each.method, query(each), body(each, name, value))
                found += judged((str(each), name, value[:20]), answer, 400)
    assert not found, "\n".join(found[:20])
    assert session.web.rows() == before


def test_every_field_takes_values_of_any_type_without_harm(
    session: Session, told_bodies: list[Operation]
) -> None:
    found = []
    with session.web.unchanged() as is_unchanged:
        for number, each in enumerate(told_bodies):
            for name in sorted(each.fields or ()):
                for value in share(VALUES, number, 4):
                    what = (str(each), name, value[:30])
                    answer = session.ask(each.method, query(each), body(each, name, value))
                    found += judged(what, answer, 200, 201, 202, 400, 409)
                    if not is_unchanged() and answer.status >= 300:
                        found.append(f"{what}: refused, and something has changed")
    assert not found, "\n".join(found[:20])


def test_no_field_is_taken_over_that_is_not_documented(
    session: Session, told_bodies: list[Operation]
) -> None:
    """Every name of a column and of an answer's field, on every address: each is refused by its name."""
    columns = {
        name
        for model in apps.get_models()
        if model._meta.app_label.endswith("_app")
        for field in model._meta.get_fields()
        for name in (field.name, getattr(field, "attname", field.name))
    }
    answered = read_only(session.ask("GET", "/swagger.json").json())
    before, found = session.web.rows(), []
    values = itertools.cycle((b"null", b"1", b'"SUCCESS"', b"{}"))
    for each in told_bodies:
        for name in sorted((columns | answered | INTERNAL) - (each.fields or frozenset())):
            answer = session.ask(each.method, query(each), body(each, name, next(values)))
            found += judged((str(each), name), answer, 400)
            pointers = {fault.get("pointer", "") for fault in answer.json()["errors"]}
            if not any(pointer.endswith(f"/{name}") for pointer in pointers):
                found.append(f"{each}: {name} is not named: {answer.body[:200]!r}")
    assert not found, "\n".join(found[:20])
    assert session.web.rows() == before


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b" \r\n",
        b"null",
        b"true",
        b"1",
        b'"{}"',
        b"[[]]",
        b"{}{}",
        b"{} x",
        b"[1]",
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
        b"PK\x03\x04",
        b"a=1&b=2",
        b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
        b'{"a":1,"a":2}',
        b'{"operation":"4+7"' * 1000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"' + b"\\" * 99_999,
        b"[" + b"{}," * 30_000 + b"{}]",
        b'{"' + b"k" * 900_000 + b'":1}',
        b"{" + b",".join(b'"k%d":1' % number for number in range(50_000)) + b"}",
    ],
    ids=lambda wrong: repr(wrong[:16]),
)
def test_a_body_of_another_kind_is_refused_everywhere(
    session: Session, told_bodies: list[Operation], wrong: bytes
) -> None:
    before, found = session.web.rows(), []
    for each in told_bodies:
        answer = session.ask(each.method, query(each), wrong)
        may_be_empty = not wrong.strip() and not FIRSTS.get(each.template)
        found += judged((str(each), wrong[:20]), answer, 400, *((200, 201, 409) if may_be_empty else ()))
    assert not found, "\n".join(found[:20])
    if wrong.strip():
        assert session.web.rows() == before


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Type: text/plain",),
        ("Content-Type: application/xml",),
        ("Content-Type: application/x-www-form-urlencoded",),
        ("Content-Type: multipart/form-data; boundary=x",),
        ("Content-Type: multipart/form-data",),
        ("Content-Type: " + "x" * 4000,),
        ("Content-Type: application/json-seq",),
        ("Content-Type: \xff/\xff",),
        (),
        ("Content-Type: application/json", "Content-Encoding: gzip"),
        ("Content-Type: application/json", "Content-Encoding: br, gzip"),
    ],
    ids=lambda lines: repr(lines)[:40],
)
def test_a_body_in_another_format_is_refused_everywhere(
    session: Session, told_bodies: list[Operation], lines: tuple[str, ...]
) -> None:
    before, found = session.web.rows(), []
    part = b'--x\r\nContent-Disposition: form-data; name="operation"\r\n\r\n4+7\r\n'
    for each in told_bodies:
        sent = body(each, "operation", b'"4+7"')
        if "gzip" in repr(lines):
            sent = gzip.compress(b" " * 900_000 + sent)
        elif "multipart" in repr(lines):
            sent = part * 5000 + b"--x--\r\n"
        request = head(each.method, each.path, f"Content-Length: {len(sent)}", *lines) + sent
        found += judged((str(each), lines), session.send(request), 415)
    assert not found, "\n".join(found[:20])
    assert session.web.rows() == before
