"""Bodies that break careless services: each is refused with a 4xx, on every address that takes a body."""

import pytest

from tasks_app.models import Task
from tests.integration.http import client, post, post_raw, problem

pytestmark = pytest.mark.django_db

PATHS = ["/tasks/", "/tasks/batch-request/", "/task-schedules/"]
DEEP = 20_000

BODIES = {
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep arguments": b'{"operation":"debug.echo","arguments":{"x":' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "unclosed": b"[" * DEEP,
    "nul": b'{"operation":"debug.echo","arguments":{"x":"\\u0000"}}',
    "nul in a key": b'{"operation":"debug.echo","arguments":{"\\u0000":1}}',
    "nul in an item": b'[{"operation":"4+7","tags":["\\u0000"]}]',
    "lone surrogate": b'{"operation":"debug.echo","arguments":{"x":"\\ud800"}}',
    "lone surrogate as a field": b'{"\\udfff":1}',
    "NaN": b'{"operation":"debug.echo","arguments":{"x":NaN}}',
    "Infinity": b'{"operation":"4+7","timeout_seconds":Infinity}',
    "1e999": b'{"operation":"4+7","timeout_seconds":1e999}',
    "40 digits": b'{"operation":"debug.echo","arguments":{"x":' + b"9" * 40 + b"}}",
    "5,000 digits": b'{"operation":"4+7","priority":' + b"9" * 5000 + b"}",
    "a key twice": b'{"operation":"4+7","operation":"4+8"}',
    "not UTF-8": b'{"operation":"\xff"}',
    "UTF-16": '{"operation":"4+7"}'.encode("utf-16"),
    "truncated": b'{"operation":',
    "two values": b"{} {}",
    "no JSON": b"operation=4%2B7",
    "white space": b" \n",
    "null": b"null",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_hostile_body_is_refused(path, body):
    problem(post_raw(path, body), 400)
    assert not Task.objects.exists()


@pytest.mark.parametrize("path", PATHS)
def test_a_body_over_the_limit_is_refused(path, settings):
    settings.CONFIG = settings.CONFIG.model_copy(update={"max_body_bytes": 1024})
    assert "1024" in problem(post_raw(path, b'"' + b"x" * 1023 + b'"'), 413)["detail"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "/"]
)
def test_a_wrong_content_type_is_refused(path, content_type):
    problem(post_raw(path, b'{"operation":"4+7"}', content_type), 415)


@pytest.mark.parametrize("charset", ["utf-16", "bz2", "nonsense"])
def test_a_claimed_charset_changes_nothing(charset):
    response = post_raw("/tasks/", b'{"operation":"4+7"}', f"application/json; charset={charset}")
    assert response.status_code == 202


@pytest.mark.parametrize(
    "operation", ["9" * 200, "9**9**9**9", "(" * 100 + ")" * 100, "1" + "+1" * 99, "-" * 200]
)
def test_a_monstrous_expression_is_stored_or_refused_at_once(operation):
    assert post("/tasks/", {"operation": operation}).status_code in {202, 400}


def test_hostile_names_of_fields_are_told_without_harm():
    response = post("/tasks/", {"x" * 100_000: 1, "a/b~c": 2, "": 3, "operation": "4+7"})
    pointers = {fault["pointer"] for fault in problem(response, 400)["errors"]}
    assert {"#/a~1b~0c", "#/"} < pointers


@pytest.mark.parametrize("path", ["/tasks/%ED%A0%80/", "/tasks/?queue=%FF", "/tasks/?tag=%ED%A0%80", "/%FF"])
def test_a_broken_address_is_no_fault_of_the_service(path):
    assert client.get(path).status_code in {200, 400, 404}
