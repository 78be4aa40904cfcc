"""What a log line looks like, and what it knows of the request or task that it is about.

A line has its own fields (`extra=`), those of the request (`bound`), and those that a provider knows, such as the
running task. Providers are asked when a line is written, so that what runs often and logs rarely pays nothing.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from scheduler_service.config import Config
from scheduler_service.redaction import passwords, redactor

Fields = Mapping[str, Any]

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends a line or steers a terminal; a tab does neither."""
_FOREIGN = frozenset({"request", "status_code", "sinfo", "server_time", "data"})
"""What Django and Celery put into `extra` for their own handlers."""
_bound: ContextVar[Fields] = ContextVar("log_fields", default=MappingProxyType({}))
_providers: list[Callable[[], Fields]] = []


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Lines that this thread logs inside have these fields too."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def add(**fields: Any) -> None:
    """As `bound`, until the block of the `bound` around it ends: for what is found out in the middle of a request."""
    _bound.set({**_bound.get(), **fields})


def provide(fields: Callable[[], Fields]) -> None:
    """Ask this function for fields whenever a line is written, in the thread that writes it."""
    if fields not in _providers:
        _providers.append(fields)


def context() -> dict[str, Any]:
    """What this thread is about right now: the running task's fields win over the request's."""
    fields = dict(_bound.get())
    for provider in _providers:
        fields.update(provider())
    return fields


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a line; its own win over those of its thread."""
    own = {name: value for name, value in vars(record).items() if name not in _USUAL and name not in _FOREIGN}
    return {**context(), **own}


class TextFormatter(logging.Formatter):
    """For people: one line of text, with its fields behind it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._redact = redactor(secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        line = super().formatMessage(record)
        fields = " ".join(f"{name}={value}" for name, value in fields_of(record).items())
        line = f"{line} [{fields}]" if fields else line
        # An address or a name that a client chose must not end the line, and begin one that nobody wrote.
        return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), line)

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


class JSONFormatter(logging.Formatter):
    """For programs: one JSON object per line, in ASCII, so that no stream's encoding can spoil it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._redact = redactor(secrets)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _iso(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": self._redact(record.getMessage()),
        }
        line.update(
            {name: self._value(value) for name, value in fields_of(record).items() if name not in line}
        )
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self._redact(self.formatException(record.exc_info))
        elif record.exc_text:
            line["exception"] = self._redact(record.exc_text)
        if record.stack_info:
            line["stack"] = self._redact(self.formatStack(record.stack_info))
        return json.dumps(line)

    def _value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._redact(str(value))


def _iso(seconds: float) -> str:
    whole, fraction = divmod(seconds, 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int(fraction * 1000):03d}Z"


def secrets(config: Config) -> list[str]:
    """The service's own secrets, to be taken out of whatever leaves it."""
    # Without its prefix, too: that is what a decoder's error would show.
    signing = re.findall(r"whsec_([\w+/=-]+)", config.http_signing_secrets.get_secret_value())
    return [
        config.secret_key,
        config.metrics_token.get_secret_value(),
        *passwords((config.database_url, config.celery_broker_url, config.limits_redis_url)),
        *signing,
    ]


def _stricter(level: str, config: Config) -> str:
    # A logger's own level would let through what the root's keeps back.
    names = logging.getLevelNamesMapping()
    return max(level, config.log_level, key=names.__getitem__)


def configuration(config: Config, default_format: str) -> dict[str, Any]:
    """Django's LOGGING: everything goes to stderr, in one format."""
    formatter = JSONFormatter if (config.log_format or default_format) == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "secrets": secrets(config)}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": config.log_level},
        "loggers": {
            # Django gives it handlers of its own, which would print each line once more, and not in this format.
            "django": {"handlers": [], "level": _stricter("INFO", config)},
            "django.request": {"level": _stricter("ERROR", config)},
            # One traceback per scanner's request says nothing that the 400 does not.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # Each ring, several a second; what it is about has lines of its own.
            "celery.worker.strategy": {"level": _stricter("WARNING", config)},
            "celery.app.trace": {"level": _stricter("WARNING", config)},
            # Billiard's, which passes nothing on to the root.
            "multiprocessing": {"handlers": ["console"], "propagate": False},
        },
    }


def take_warnings(configuration: dict[str, Any]) -> None:
    """Log Python's warnings where lines are JSON: on their way to stderr they would be text between them."""
    if configuration["formatters"]["line"]["()"] is JSONFormatter:
        logging.captureWarnings(True)
