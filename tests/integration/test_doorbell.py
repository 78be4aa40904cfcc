"""Rings on real brokers, on a broker that is away, and on one that takes connections but never answers."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from celery import Celery
from celery.beat import ScheduleEntry
from celery.local import Proxy
from celery.schedules import schedule

from scheduler_service import beat, broker
from tasks_app import doorbell, redisbell
from tests.chaos.proxy import Proxy as Misbehaving

BROKERS = [name for name in ("TEST_REDIS_URL", "TEST_RABBITMQ_URL") if os.environ.get(name)]
# The queues' own names would ring the bells of a service that uses the same broker.
QUEUE = f"doorbell-test-{os.getpid()}"
PORTS = {"redis": 6379, "amqp": 5672}


def app_on(url: str) -> Celery:
    app = Celery("doorbell-test", broker=url, set_as_current=False)
    app.conf.update(
        broker_transport_options=broker.transport_options(url),
        broker_connection_timeout=2,
        broker_pool_acquire_timeout=2,
        task_publish_retry=False,
    )
    return app


@contextmanager
def using(monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[Celery]:
    monkeypatch.undo()  # the recording of rings: here they are sent
    app = app_on(url)
    monkeypatch.setattr(doorbell, "current_app", Proxy(lambda: app))
    monkeypatch.setattr(doorbell, "SHARED_QUEUE", QUEUE)
    monkeypatch.setattr(doorbell, "_quiet_until", 0.0)
    monkeypatch.setattr(redisbell, "_lengths", {})
    try:
        yield app
    finally:
        app.close()


def remove_queue(app: Celery) -> None:
    with app.connection_for_write() as connection:
        queue = app.amqp.queues[QUEUE].bind(connection.default_channel)
        queue.purge()
        queue.delete()
        queue.exchange.delete()


@pytest.fixture(params=BROKERS)
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    with using(monkeypatch, os.environ[request.param]) as app:
        yield app
        remove_queue(app)


@pytest.fixture
def redis_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    if "TEST_REDIS_URL" not in BROKERS:
        pytest.skip("TEST_REDIS_URL names no Redis")
    with using(monkeypatch, os.environ["TEST_REDIS_URL"]) as app:
        yield app
        remove_queue(app)


def raw_messages(app: Celery) -> list[dict[str, Any]]:
    """What lies in the queue's list, the latest first."""
    with app.connection_for_read() as connection, connection.default_channel.conn_or_acquire() as client:
        return [json.loads(text) for text in client.lrange(f"scheduler-service:{QUEUE}", 0, -1)]


def test_rings_are_bounded_however_often_a_queue_is_rung(app, monkeypatch):
    monkeypatch.setattr(doorbell, "MAX_WAITING_RINGS", 5)
    assert doorbell.waiting(QUEUE) == 0
    for _ in range(9):
        doorbell.ring("tasks")
    assert doorbell.waiting(QUEUE) == 5


def test_the_sweeper_does_not_ring_a_queue_that_has_a_ring_waiting(app):
    doorbell.ring("tasks")
    doorbell.ring_if_quiet("tasks")
    assert doorbell.waiting(QUEUE) == 1


def test_a_ring_carries_the_queue_and_nothing_else(app):
    doorbell.ring("reports")
    with app.connection_for_read() as connection:
        message = app.amqp.queues[QUEUE].bind(connection.default_channel).get(no_ack=True)
    assert message.headers["task"] == "tasks_app.tasks.drain"
    assert message.decode()[0] == ["reports"]


def test_a_ring_on_redis_is_what_celery_itself_would_send(redis_app):
    doorbell.ring("reports")
    redis_app.send_task("tasks_app.tasks.drain", args=["reports"], queue=QUEUE, ignore_result=True)
    celerys, ours = raw_messages(redis_app)
    ids = [
        ("headers", "id"),
        ("headers", "root_id"),
        ("properties", "correlation_id"),
        ("properties", "delivery_tag"),
    ]
    for part, name in ids:
        assert len(ours[part].pop(name)) == len(celerys[part].pop(name)) == 36
    assert ours == celerys


def test_no_two_rings_on_redis_have_the_same_ids(redis_app):
    for _ in range(2):
        doorbell.ring("reports")
    messages = raw_messages(redis_app)
    for part, name in (("headers", "id"), ("properties", "delivery_tag")):
        assert len({message[part][name] for message in messages}) == 2
    for message in messages:
        assert (
            message["headers"]["id"]
            == message["headers"]["root_id"]
            == message["properties"]["correlation_id"]
        )


def test_redis_is_rung_again_when_the_rings_that_filled_the_queue_are_gone(redis_app, monkeypatch):
    monkeypatch.setattr(doorbell, "MAX_WAITING_RINGS", 2)
    for _ in range(3):
        doorbell.ring("tasks")
    with redis_app.connection_for_write() as connection:
        redis_app.amqp.queues[QUEUE].bind(connection.default_channel).purge()
    doorbell.ring("tasks")
    assert doorbell.waiting(QUEUE) == 1


def test_beat_sends_nothing_while_enough_waits(app, monkeypatch):
    monkeypatch.setattr(beat, "QUEUE", QUEUE)
    monkeypatch.setattr(beat, "MOST_WAITING", 3)
    scheduler = beat.BoundedScheduler(app, lazy=True)
    entry = ScheduleEntry(name="tick", task="schedules_app.tasks.tick", schedule=schedule(1.0), app=app)
    for _ in range(6):
        scheduler.apply_entry(entry)
    assert doorbell.waiting(QUEUE) == 3


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never answers, as a stopped process does."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield server.getsockname()[1]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("scheme", ["redis://127.0.0.1:{}/0", "amqp://guest:guest@127.0.0.1:{}//"])
@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_ring_neither_raises_nor_hangs_when_the_broker_is_away(scheme, kind, monkeypatch, silent_port):
    port = silent_port if kind == "silent" else closed_port()
    with using(monkeypatch, scheme.format(port)):
        began = time.monotonic()
        doorbell.ring("tasks")
        first = time.monotonic() - began
        doorbell.ring("tasks")
        second = time.monotonic() - began - first
        assert not doorbell.broker_is_reachable()
    # Generous bounds: what they tell apart is "seconds" from "for ever", and "waits again" from "does not".
    assert first < 20
    assert second < 1


@pytest.fixture(params=BROKERS)
def stalling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Misbehaving]:
    """A proxy through which rings reach the broker; `stall` makes that fall silent with its connections open."""
    url = urlsplit(os.environ[request.param])
    connect = partial(asyncio.open_connection, url.hostname, url.port or PORTS[url.scheme])
    proxy = Misbehaving(connect, speaks_postgres=False, seed="a test")
    login, has_login, _ = url.netloc.rpartition("@")
    behind = url._replace(netloc=f"{login}{has_login}127.0.0.1:{proxy.port}")
    try:
        with using(monkeypatch, urlunsplit(behind)) as app:
            yield proxy
            proxy.behave()
            remove_queue(app)
    finally:
        proxy.stop()


def test_a_ring_on_a_broker_that_falls_silent_is_given_up_within_the_patience_of_a_submitter(
    stalling, monkeypatch
):
    doorbell.ring("tasks")
    assert doorbell.waiting(QUEUE) == 1
    stalling.stall()
    began = time.monotonic()
    doorbell.ring("tasks")
    assert time.monotonic() - began < 2.5
    stalling.behave()
    monkeypatch.setattr(doorbell, "_quiet_until", 0.0)
    doorbell.ring("tasks")
    # The ring that was given up may arrive all the same: then one more wakes a worker.
    assert doorbell.waiting(QUEUE) in (2, 3)
