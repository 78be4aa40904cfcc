"""The databases and brokers that the service is tried on, each empty at the start and gone at the end."""

import importlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
import redis

QUEUES = ("tasks", "scheduler")


@dataclass(frozen=True)
class Stack:
    """Where the service keeps its rows and its rings. Empty addresses mean the embedded ones."""

    database_url: str
    broker_url: str
    purge: Callable[[], None] | None

    @property
    def variables(self) -> dict[str, str]:
        urls = {"DATABASE_URL": self.database_url, "CELERY_BROKER_URL": self.broker_url}
        return {name: url for name, url in urls.items() if url}


def reachable() -> list[str]:
    """The stacks whose services `run.py test` could log in to; the embedded one always."""
    postgres, redis_, rabbitmq = (
        os.environ.get(f"TEST_{name}_URL") for name in ("POSTGRES", "REDIS", "RABBITMQ")
    )
    brokers = {"postgres+redis": redis_, "postgres+rabbitmq": rabbitmq}
    return ["sqlite+valkey", *(name for name, broker in brokers.items() if postgres and broker)]


@contextmanager
def made(name: str) -> Iterator[Stack]:
    """The stack of this name."""
    if name == "sqlite+valkey":
        yield Stack("", "", None)
        return
    is_redis = name.endswith("redis")
    broker_url = os.environ["TEST_REDIS_URL" if is_redis else "TEST_RABBITMQ_URL"]
    purge = flush_redis if is_redis else remove_queues
    with _database(os.environ["TEST_POSTGRES_URL"]) as database_url:
        purge(broker_url)
        try:
            yield Stack(database_url, broker_url, lambda: purge(broker_url))
        finally:
            purge(broker_url)


@contextmanager
def database(name: str) -> Iterator[str]:
    """The address of an empty database of this kind; empty for SQLite's own. Skips where PostgreSQL is out of reach."""
    if name == "SQLite":
        yield ""
        return
    server_url = os.environ.get("TEST_POSTGRES_URL")
    if not server_url:
        pytest.skip("PostgreSQL is not reached")
    with _database(server_url) as url:
        yield url


@contextmanager
def _database(server_url: str) -> Iterator[str]:
    name = f"scheduler_acceptance_{secrets.token_hex(4)}"
    _on_server(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        _on_server(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _on_server(server_url: str, statement: str) -> None:
    connection = psycopg2.connect(server_url)
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()


def flush_redis(url: str) -> None:
    """Everything in this one database of the server: it is the tests' own."""
    client = redis.Redis.from_url(url)
    client.flushdb()
    client.close()


def remove_queues(url: str) -> None:
    """The rings with their queues; whoever needs a queue declares it anew."""
    kombu: Any = importlib.import_module("kombu")  # it has no types
    with kombu.Connection(url) as connection:
        for name in QUEUES:
            kombu.Queue(name)(connection.default_channel).delete()
