"""Trivial operations, the same that the peers run."""

import os
import time
from functools import cache

import redis

from tasks_app.operations import operation


@operation("bench.add", quick=True)
def add(x: int, y: int) -> int:
    """Adds two numbers."""
    return x + y


@operation("bench.add_alone")
def add_alone(x: int, y: int) -> int:
    """Adds two numbers; not quick, so that each claim takes one row."""
    return x + y


@operation("bench.label", quick=True)
def label(text: str, y: int) -> str:
    """Joins a text and a number."""
    return f"{text} {y}"


@operation("bench.sleep")
def sleep(x: int, y: int) -> None:
    """Takes `x` seconds."""
    time.sleep(x)


@operation("bench.sleep_quick", quick=True)
def sleep_quick(x: int, y: int) -> None:
    """Takes `x` seconds, and is wrongly registered as quick: others are claimed with it."""
    time.sleep(x)


@operation("bench.stamp", quick=True)
def stamp() -> float:
    """Tells when it began, in seconds of the wall clock, over the bench's Redis."""
    began = time.time()
    _bench_redis().lpush("stamps", repr(began))
    return began


@cache
def _bench_redis() -> redis.Redis:
    return redis.Redis(unix_socket_path=os.environ["REDIS_SOCKET"])
