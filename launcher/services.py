"""Which real services can be reached, by logging in to each, and which programs are there. Prints JSON in `.venv`."""

import importlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

TIMEOUT_SECONDS = 3
PROGRAMS = {"node": "the README's JavaScript", "curl": "the README's curl", "jq": "the README's curl"}
"""Programs that only examples need, and which."""

DEFAULTS = {
    "TEST_POSTGRES_URL": "postgres://postgres@127.0.0.1:5432/postgres",
    "TEST_REDIS_URL": "redis://127.0.0.1:6379/15",
    "TEST_RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:5672//",
}
NAMES = {"TEST_POSTGRES_URL": "PostgreSQL", "TEST_REDIS_URL": "Redis", "TEST_RABBITMQ_URL": "RabbitMQ"}


def _log_in_to_postgres(url: str) -> None:
    import psycopg2

    psycopg2.connect(url, connect_timeout=TIMEOUT_SECONDS).close()


def _log_in_to_redis(url: str) -> None:
    import redis

    client = redis.Redis.from_url(url, socket_connect_timeout=TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS)
    client.ping()
    client.close()


def _log_in_to_rabbitmq(url: str) -> None:
    kombu: Any = importlib.import_module("kombu")  # it has no types
    connection = kombu.Connection(url, connect_timeout=TIMEOUT_SECONDS)
    connection.connect()
    connection.release()


LOG_INS: dict[str, Callable[[str], None]] = {
    "TEST_POSTGRES_URL": _log_in_to_postgres,
    "TEST_REDIS_URL": _log_in_to_redis,
    "TEST_RABBITMQ_URL": _log_in_to_rabbitmq,
}


def without_password(url: str) -> str:
    """The address, fit for a log."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url)


def probe(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Returns the addresses that answered, by variable, and one phrase for each that did not."""
    reached, missing = {}, []
    for variable, default in DEFAULTS.items():
        url = environ.get(variable) or default
        try:
            LOG_INS[variable](url)
        except Exception as error:  # each driver has its own family of errors
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            missing.append(
                f"{NAMES[variable]} at {without_password(url)} ({reason}; {variable} names another)"
            )
        else:
            reached[variable] = url
    return reached, missing


def missing_programs() -> list[str]:
    """One phrase for each program that is not on the PATH."""
    return [
        f"{name} (not on the PATH; for {example})"
        for name, example in PROGRAMS.items()
        if not shutil.which(name)
    ]


if __name__ == "__main__":
    found, absent = probe(os.environ)
    json.dump((found, absent + missing_programs()), sys.stdout)
