"""What a log line holds, in both formats and in every process."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config as GunicornConfig

from scheduler_service import logs
from scheduler_service.config import PROJECT_DIR, Config
from scheduler_service.gunicorn_logs import Logger
from tasks_app import log_context
from tasks_app.runner import Runner
from tasks_app.slices import Slice
from tests.support import registered_operation
from tests.unit.test_runner import LIMITS, Clock, a_claim

SECRET = "the-service's-own-secret"

logger = logging.getLogger("tests.logs")


class Log:
    """What was logged, as it was written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(formatter)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(params=[logs.JSONFormatter])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    made = Log(request.param([SECRET]))
    monkeypatch.setattr(logs, "_providers", [])
    monkeypatch.setattr(logger, "handlers", [made.handler])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()
    yield made
    logger.manager._clear_cache()


as_text = pytest.mark.parametrize("log", [logs.TextFormatter], indirect=True)


def test_a_line_is_one_json_object(log: Log) -> None:
    logger.warning("two\nlines, a \ud800 surrogate and %s", "ü")
    [line] = log.lines
    assert log.text.isascii()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "WARNING",
        "logger": "tests.logs",
        "message": "two\nlines, a \ud800 surrogate and ü",
    }


def test_its_time_is_that_of_the_record_in_utc() -> None:
    record = logging.makeLogRecord({"created": 1_700_000_000.9996, "msg": "x"})
    line = json.loads(logs.JSONFormatter().format(record))
    assert line["time"] == "2023-11-14T22:13:20.999Z"
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)


def test_a_traceback_is_one_field(log: Log) -> None:
    try:
        raise ValueError("no such customer")
    except ValueError:
        logger.exception("It failed")
    [line] = log.lines
    assert line["message"] == "It failed"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no such customer")


def test_fields_are_those_of_the_request_and_of_the_line_itself(log: Log) -> None:
    with logs.bound(request_id="r1", key_id=7), logs.bound(request_id="r2"):
        logger.info("inside", extra={"schedule_id": "s"})
    logger.info("outside")
    inside, outside = log.lines
    assert (inside["request_id"], inside["key_id"], inside["schedule_id"]) == ("r2", 7, "s")
    assert {"request_id", "key_id", "schedule_id"} & set(outside) == set()


def test_a_field_cannot_stand_for_what_every_line_has(log: Log) -> None:
    with logs.bound(level="none", message="none"):
        logger.info("said")
    assert (log.lines[0]["level"], log.lines[0]["message"]) == ("INFO", "said")


@pytest.mark.parametrize("log", [logs.TextFormatter, logs.JSONFormatter], indirect=True)
def test_message_fields_traceback_and_stack_hold_no_secret(log: Log) -> None:
    try:
        raise RuntimeError(f"{SECRET} in postgres://u:hunter2@db/x")
    except RuntimeError:
        logger.exception("sent %s", SECRET, extra={"header": "Authorization: hunter2"}, stack_info=True)
    assert "RuntimeError: [redacted]" in log.text
    assert SECRET not in log.text
    assert "hunter2" not in log.text.replace('raise RuntimeError(f"{SECRET} in postgres://u:hunter2', "")


@as_text
def test_text_has_the_fields_behind_the_message(log: Log) -> None:
    with logs.bound(request_id="r1"):
        logger.info("said", extra={"attempt": 2})
    assert log.text.endswith(" INFO tests.logs said [request_id=r1 attempt=2]\n")


@as_text
def test_text_without_fields_has_no_brackets(log: Log) -> None:
    logger.info("said")
    assert log.text.endswith(" said\n")


@as_text
def test_nobody_can_make_a_text_look_like_a_line_of_its_own(log: Log) -> None:
    logger.info(
        "GET %s", "/\n2030-01-31 INFO access ada\x1b[2K\r\x85\u2028, \tü", extra={"path": "/\r\n2030"}
    )
    [line] = log.text.splitlines()
    assert line.endswith(
        r" GET /\n2030-01-31 INFO access ada\x1b[2K\r\x85\u2028, " + "\tü [path=" + r"/\r\n2030]"
    )


@as_text
def test_the_lines_of_a_traceback_stay_lines(log: Log) -> None:
    try:
        raise ValueError("no\nnumber")
    except ValueError:
        logger.exception("failed")
    assert log.text.splitlines()[1] == "Traceback (most recent call last):"
    assert log.text.endswith("ValueError: no\nnumber\n")


def run_logging(log: Log, monkeypatch: pytest.MonkeyPatch, handler: Any, **fields: Any) -> Any:
    runner = Runner(LIMITS, clock=Clock(), draw=lambda: 0.5)
    monkeypatch.setattr(log_context, "_runner", None)
    log_context.follow(runner)
    claim = a_claim(**fields)
    with registered_operation(handler):
        runner.run(Slice([claim], 1000.0))
    return claim


def test_what_a_handler_logs_says_of_which_task_it_is(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler() -> None:
        logger.info("working")

    claim = run_logging(log, monkeypatch, handler, attempt=2)
    logger.info("resting")
    working, resting = log.lines
    expected = {"task_id": str(claim.task_id), "attempt": 2, "operation": "test.handler"}
    assert {name: working[name] for name in expected} == expected
    assert set(expected) & set(resting) == set()


def test_another_threads_line_is_not_the_handlers(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler() -> None:
        thread = threading.Thread(target=lambda: logger.info("watching"))
        thread.start()
        thread.join()

    run_logging(log, monkeypatch, handler)
    assert "task_id" not in log.lines[0]


@pytest.mark.parametrize(
    ("chosen", "default", "formatter"),
    [
        ("", "text", logs.TextFormatter),
        ("", "json", logs.JSONFormatter),
        ("json", "text", logs.JSONFormatter),
        ("text", "json", logs.TextFormatter),
    ],
)
def test_the_environment_decides_over_the_settings_default(chosen: Any, default: str, formatter: Any) -> None:
    made = logs.configuration(Config(log_format=chosen), default)
    assert made["formatters"]["line"]["()"] is formatter


def test_the_services_own_secrets_are_those_of_its_configuration() -> None:
    key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    config = Config(
        secret_key="s" * 50,
        database_url="postgres://u:of-the-database@db/x",
        celery_broker_url="amqp://u:of-the-broker@mq/",
        http_signing_secrets=f"whsec_{key}, example.org=whsec_{key[::-1]}",  # type: ignore[arg-type]
        metrics_token="of-the-metrics",  # type: ignore[arg-type]
    )
    own = ["s" * 50, "of-the-metrics", "of-the-database", "of-the-broker", key, key[::-1]]
    assert logs.secrets(config) == own


def test_no_logger_lets_through_what_the_level_keeps_back() -> None:
    made = logs.configuration(Config(log_level="CRITICAL"), "text")
    assert {one["level"] for one in made["loggers"].values() if "level" in one} == {"CRITICAL"}


def gunicorn_logger(
    monkeypatch: pytest.MonkeyPatch, formatter: type[logging.Formatter]
) -> tuple[Logger, Log]:
    from django.conf import settings

    monkeypatch.setitem(settings.LOGGING["formatters"]["line"], "()", formatter)
    config = GunicornConfig()
    config.set("accesslog", "-")
    made = Logger(config)
    log = Log(made.access_log.handlers[0].formatter)  # type: ignore[arg-type]
    monkeypatch.setattr(made.access_log, "handlers", [log.handler])
    return made, log


def an_answer(made: Logger) -> None:
    answer = SimpleNamespace(status="202 Accepted", sent=12, headers=[("X-Request-Id", "r1")])
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/tasks/",
        "QUERY_STRING": "token=hunter2",
        "RAW_URI": "/tasks/?token=hunter2",
        "REMOTE_ADDR": "10.0.0.1",
        "HTTP_AUTHORIZATION": "Bearer hunter2",
    }
    made.access(answer, None, environ, timedelta(milliseconds=12.34))


def test_the_access_log_has_what_was_asked_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    made, log = gunicorn_logger(monkeypatch, logs.JSONFormatter)
    an_answer(made)
    [line] = log.lines
    del line["time"]
    assert line == {
        "level": "INFO",
        "logger": "gunicorn.access",
        "message": "POST /tasks/ 202",
        "method": "POST",
        "path": "/tasks/",
        "status": 202,
        "bytes": 12,
        "milliseconds": 12.3,
        "address": "10.0.0.1",
        "request_id": "r1",
    }


def test_gunicorns_own_lines_have_the_services_format(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = gunicorn_logger(monkeypatch, logs.TextFormatter)
    assert {type(handler.formatter) for handler in made.error_log.handlers} == {logs.TextFormatter}


CELERY = """
import logging
from scheduler_service import celery_app
celery_app.log.setup(loglevel="ERROR")
logging.getLogger("celery.worker").info("a worker's line")
logging.getLogger("celery.app.trace").info("each ring")
"""
COMMAND = """
import logging
import django
django.setup()
logging.getLogger("tasks_app.x").info("a command's line")
logging.getLogger("django.db").warning("Django's line")
import warnings
warnings.simplefilter("always")
warnings.warn("a warning")
"""


def logged_by(program: str, settings: str, **variables: str) -> list[str]:
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": f"scheduler_service.settings.{settings}",
        "SECRET_KEY": "s" * 60,
        "ALLOWED_HOSTS": "testserver",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=PROJECT_DIR,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_with_production_settings_a_celery_worker_logs_json_at_the_services_level() -> None:
    lines = [json.loads(line) for line in logged_by(CELERY, "production")]
    assert [line["message"] for line in lines] == ["a worker's line"]


def test_with_production_settings_each_line_of_a_command_is_json_and_comes_once() -> None:
    lines = [json.loads(line) for line in logged_by(COMMAND, "production")]
    assert [line["message"] for line in lines[:2]] == ["a command's line", "Django's line"]
    [warning] = lines[2:]
    assert (warning["logger"], warning["level"]) == ("py.warnings", "WARNING")
    assert "UserWarning: a warning" in warning["message"]


def test_with_development_settings_lines_are_text_and_come_once() -> None:
    lines = logged_by(COMMAND, "development")
    assert [line.split(" ", 2)[2] for line in lines[:2]] == [
        "INFO tasks_app.x a command's line",
        "WARNING django.db Django's line",
    ]
    assert "UserWarning: a warning" in lines[2]
