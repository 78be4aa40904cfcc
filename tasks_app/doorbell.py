"""The only sender to the broker. A ring says "this queue has work" and nothing else.

No error leaves this module: the row is the outbox, and the sweeper rings again while it waits. Rings are
bounded: a queue that has enough of them waiting gets no more, so a night without workers fills no broker.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from celery import Celery, current_app
from django.conf import settings
from kombu import Connection, pools

from tasks_app import metering, redisbell

logger = logging.getLogger(__name__)

DRAIN = "tasks_app.tasks.drain"
SHARED_QUEUE = "tasks"
MAX_WAITING_RINGS = 64
"""More rings than this wake no more workers; they only fill the broker. On Redis, each process may add one."""

PATIENCE = 1.0
"""Seconds to wait for the broker at each step."""

PAUSE_AFTER_FAILURE = 1.0
"""Seconds without a try after the broker failed: submitters must not each wait for the same timeout."""

_quiet_until = 0.0


def celery_queue(queue: str) -> str:
    """The Celery queue that carries the rings of a task queue: its own if it is dedicated, else the shared one."""
    return queue if queue in settings.CONFIG.dedicated_queues else SHARED_QUEUE


def ring(queue: str) -> None:
    """Tell a queue's workers that there is work. Never raises; a lost ring is made up for by the sweeper."""
    _send(queue, MAX_WAITING_RINGS)


def ring_if_quiet(queue: str) -> None:
    """Ring unless a ring is waiting already: for the sweeper, which comes every second."""
    _send(queue, 1)


def waiting(name: str) -> int:
    """How many messages wait in a Celery queue. Raises the broker's errors."""
    with _producer() as producer:
        return _depth(name, producer)


def broker_is_reachable() -> bool:
    """Whether the broker answers within the configured timeouts; True where there is none to answer."""
    if not settings.CONFIG.has_broker:
        return True
    try:
        waiting(SHARED_QUEUE)
    except Exception as error:  # any transport's own errors
        logger.info("The broker does not answer: %s", error)
        return False
    return True


def send(task: str, arguments: list[str], queue: str, most: int) -> bool:
    """Send a Celery task unless `most` messages wait in its queue; whether it was sent. Never raises."""
    if not settings.CONFIG.has_broker:
        return False
    result = _try(task, arguments, queue, most)
    metering.rang(result)
    return result == "sent"


def _try(task: str, arguments: list[str], queue: str, most: int) -> str:
    """Send it: `sent`, `full`, `failed` or `held_back`."""
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return "held_back"
    try:
        connection = _connection(_app())
        if redisbell.is_redis(connection):
            is_sent = redisbell.push(_app(), connection, task, tuple(arguments), queue, most)
            return "sent" if is_sent else "full"
        with _producer() as producer:
            if _depth(queue, producer) >= most:
                return "full"
            current_app.send_task(task, args=arguments, queue=queue, ignore_result=True, producer=producer)
    except Exception as error:  # any transport's own errors
        _quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
        logger.warning("Could not send %s to queue %s: %s", task, queue, error)
        return "failed"
    return "sent"


def _app() -> Celery:
    app: Celery = current_app._get_current_object()
    return app


@contextmanager
def _producer() -> Iterator[Any]:
    """A producer of a pool of its own: those of Celery have more patience than a submitter."""
    pool = pools.producers[_connection(_app())]
    with pool.acquire(block=True, timeout=PATIENCE) as producer:
        try:
            yield producer
        except Exception:
            # No goodbye: RabbitMQ would be waited for twice more, for the channel's end and for the connection's.
            producer.connection.collect()
            raise


@lru_cache(maxsize=4)
def _connection(app: Celery) -> Connection:
    # kombu tries twice to connect: both tries must fit into the 2.5 s in which a submitter is answered.
    limits = ("socket_timeout", "socket_connect_timeout", "read_timeout", "write_timeout")
    options = {**app.conf.broker_transport_options, **dict.fromkeys(limits, PATIENCE)}
    connection: Connection = app.connection_for_write(connect_timeout=PATIENCE, transport_options=options)
    return connection


def _depth(name: str, producer: Any) -> int:
    # Declared, not only looked up: RabbitMQ closes the channel over a passive look at a missing queue.
    queue = current_app.amqp.queues[name].bind(producer.channel)
    return int(queue.queue_declare().message_count)


def _send(queue: str, most: int) -> None:
    # A failure is made up for by the sweeper, which rings every second while work waits.
    send(DRAIN, [queue], celery_queue(queue), most)
