"""gunicorn as the image starts it, with the production settings: each line a JSON object, each answer its headers."""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from launcher.layout import PROJECT_DIR
from tests.acceptance.service import LOOPBACK, answers, free_port, own_environment, wait_for

PASSWORD = "only-in-this-test"
KEY = f"key_0123456789ab.{'s' * 43}"
"""Has the form of a key. Nobody answers whether it is one: the database is away."""


METRICS_TOKEN = "a-token-for-the-metrics"


def images_command(port: int) -> list[str]:
    """The Dockerfile's CMD on a port of this machine, with one process."""
    dockerfile = (PROJECT_DIR / "Dockerfile").read_text().replace("\\\n", " ")
    replaced = {"python": sys.executable, "0.0.0.0:8000": f"{LOOPBACK}:{port}", "2": "1"}
    return [replaced.get(word, word) for word in yaml.safe_load(dockerfile.split("\nCMD ")[-1])]


@dataclass
class Web:
    port: int
    process: subprocess.Popen[str]

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            response.read()
            return response
        finally:
            connection.close()

    def stop(self) -> list[str]:
        """End it; everything that it has written."""
        self.process.terminate()
        written, _ = self.process.communicate(timeout=30)
        return written.splitlines()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    port = free_port()
    environ = own_environment(
        tmp_path,
        DJANGO_SETTINGS_MODULE="scheduler_service.settings.production",
        SECRET_KEY="s" * 60,
        ALLOWED_HOSTS=LOOPBACK,
        # Nobody listens there: what is said about it must not tell the password.
        DATABASE_URL=f"postgres://scheduler:{PASSWORD}@{LOOPBACK}:{free_port()}/scheduler",
        CELERY_BROKER_URL="none",
        HTTPS_ONLY="false",
        METRICS_TOKEN=METRICS_TOKEN,
    )
    process = subprocess.Popen(
        images_command(port),
        cwd=PROJECT_DIR,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        try:
            wait_for(lambda: answers(port, "/health/live"), "the API")
            yield Web(port, process)
        finally:
            process.kill()


def test_every_line_is_json_and_a_request_is_found_by_its_id(web: Web) -> None:
    shown = {"X-Request-ID": "r-77", "Authorization": f"Bearer {KEY}"}
    assert web.get("/tasks/?tag=x", **shown).status == 503
    written = web.stop()
    lines = [json.loads(line) for line in written]
    about = [line for line in lines if line.get("request_id") == "r-77"]
    assert {line["logger"] for line in about} >= {"gunicorn.access", "django.request"}
    [access] = [line for line in about if line["logger"] == "gunicorn.access"]
    assert (access["method"], access["path"], access["status"]) == ("GET", "/tasks/", 503)
    assert {line["logger"] for line in lines} >= {"gunicorn.error"}
    assert [line for line in written if PASSWORD in line or KEY in line] == []


def test_metrics_are_for_who_has_the_token_also_while_the_database_is_away(web: Web) -> None:
    refused = web.get("/metrics")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    assert web.get("/metrics", Authorization=f"Bearer {KEY}").status == 401
    answer = web.get("/metrics", Authorization=f"Bearer {METRICS_TOKEN}")
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    assert [line for line in web.stop() if METRICS_TOKEN in line] == []


def test_keys_are_required_unless_something_else_is_said(web: Web) -> None:
    answer = web.get("/tasks/")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="scheduler"')
    assert [line for line in web.stop() if "API_KEYS_REQUIRED" in line] == []


def test_what_is_refused_before_django_is_logged_without_what_was_sent(web: Web) -> None:
    with socket.create_connection((LOOPBACK, web.port), timeout=30) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization {PASSWORD}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    written = web.stop()
    lines = [json.loads(line) for line in written]
    [refused] = [line for line in lines if line.get("request_id") == answer.headers["X-Request-ID"]]
    assert (refused["message"], refused["status"]) == ("refused a request: InvalidHeader", 400)
    assert [line for line in written if PASSWORD in line] == []


@pytest.mark.parametrize("path", ["/health/live", "/tasks/", "/nope"])
def test_every_answer_has_its_headers(web: Web, path: str) -> None:
    answer = web.get(path)
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"]
