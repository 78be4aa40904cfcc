"""Helpers in the peers' environment: `python -m bench.peers.standard.tool <verb> [number]`."""

import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.standard.settings")

import django
import redis

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from bench.peers.standard.celery import add, app, stamp  # noqa: E402


def prepare() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0)
    # The model of the ORM way has no migrations of its own.
    call_command("migrate", run_syncdb=True, verbosity=0)


def fill(number: str) -> None:
    """Send messages, over one kept connection."""
    with app.producer_or_acquire() as producer:
        for value in range(int(number)):
            add.apply_async((value, 1), producer=producer)


def delay(seconds: str) -> None:
    """Call `delay()` for a while, after a first one that connects; prints the rate."""
    add.delay(0, 1)
    began, number = time.monotonic(), 0
    while time.monotonic() - began < float(seconds):
        add.delay(number, 1)
        number += 1
    print(number / (time.monotonic() - began))


def latency(number: str, pause: str) -> None:
    """Submit one at a time to an idle worker; prints ms from call and return of `delay()` to the handler's begin."""
    client = redis.Redis(unix_socket_path=os.environ["REDIS_SOCKET"])
    for _ in range(int(number)):
        called = time.time()
        stamp.delay()
        answered = time.time()
        found = client.blpop("stamps", 10)
        if found is None:
            sys.exit("a task had not begun after 10 s")
        print((float(found[1]) - called) * 1000, (float(found[1]) - answered) * 1000)
        time.sleep(float(pause))


if __name__ == "__main__":
    {"prepare": prepare, "fill": fill, "delay": delay, "latency": latency}[sys.argv[1]](*sys.argv[2:])
    connection.close()
