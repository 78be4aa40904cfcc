"""Bodies that come without a Content-Length."""

import io
import json
from typing import Any

import pytest
from django.conf import settings

from scheduler_service.wsgi import application

pytestmark = pytest.mark.django_db(transaction=True)


def post_chunked(body: bytes, *, ends: bool = True) -> tuple[int, Any]:
    """POST /tasks/ as gunicorn hands it on: the stream ends where the last chunk ends."""
    answered: list[int] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/tasks/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": ends,
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    }
    chunks = application(environ, lambda status, headers: answered.append(int(status[:3])))
    return answered[0], json.loads(b"".join(chunks))


def test_a_chunked_body_is_read():
    status, task = post_chunked(b'{"operation": "4+7"}')
    assert (status, task["operation"]) == (202, "4+7")


def test_a_chunked_body_is_held_to_the_same_limit(monkeypatch):
    monkeypatch.setattr(settings, "CONFIG", settings.CONFIG.model_copy(update={"max_body_bytes": 50}))
    status, problem = post_chunked(b'{"operation": "' + b"1+" * 50 + b'1"}')
    assert (status, problem["code"]) == (413, "payload_too_large")


def test_a_stream_that_does_not_end_by_itself_is_not_read():
    status, _ = post_chunked(b'{"operation": "4+7"}', ends=False)
    assert status == 400
