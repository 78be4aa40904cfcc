"""The only sender to the broker. A ring says "this queue has work" and nothing else.

No error leaves this module: the row is the outbox, and the sweeper rings again while it waits. Rings are
bounded: a queue that has enough of them waiting gets no more, so a night without workers fills no broker.
"""

import logging
import time

from celery import current_app
from django.conf import settings

logger = logging.getLogger(__name__)

DRAIN = "tasks_app.tasks.drain"
SHARED_QUEUE = "tasks"
MAX_WAITING_RINGS = 64
"""More rings than this wake no more workers; they only fill the broker."""

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
    with current_app.pool.acquire(
        block=True, timeout=settings.CELERY_BROKER_POOL_ACQUIRE_TIMEOUT
    ) as connection:
        # Declared, not only looked up: RabbitMQ closes the channel over a passive look at a missing queue.
        queue = current_app.amqp.queues[name].bind(connection.default_channel)
        return int(queue.queue_declare().message_count)


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
    global _quiet_until
    if not settings.CONFIG.has_broker or time.monotonic() < _quiet_until:
        return False
    try:
        if waiting(queue) >= most:
            return False
        current_app.send_task(task, args=arguments, queue=queue, ignore_result=True)
    except Exception as error:  # any transport's own errors
        _quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE
        logger.warning("Could not send %s to queue %s: %s", task, queue, error)
        return False
    return True


def _send(queue: str, most: int) -> None:
    # A failure is made up for by the sweeper, which rings every second while work waits.
    send(DRAIN, [queue], celery_queue(queue), most)
