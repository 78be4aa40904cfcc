"""The Celery app, and the trivial Celery tasks."""

import os
import time
from functools import cache

import redis
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.standard.settings")
app = Celery("standard")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="bench.add")
def add(x: int, y: int) -> int:
    """Adds two numbers."""
    return x + y


@app.task(name="bench.stamp")
def stamp() -> float:
    """Tells when it began, in seconds of the wall clock, over the bench's Redis."""
    began = time.time()
    _bench_redis().lpush("stamps", repr(began))
    return began


@cache
def _bench_redis() -> redis.Redis:
    return redis.Redis(unix_socket_path=os.environ["REDIS_SOCKET"])
