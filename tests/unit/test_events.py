"""What Flower is told of attempts, of how many, and what becomes of the rest."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from celery.signals import worker_process_shutdown
from kombu import Connection, Consumer, Exchange, Queue

from tasks_app import event_sender, events
from tasks_app.event_sender import EventSender
from tasks_app.events import Allowance, LeftOut, TaskEvents
from tasks_app.lifecycle import Outcome, Status
from tasks_app.records import Ending
from tests.unit.test_runner import Clock, a_claim


def ended(status: Status = Status.SUCCESS) -> Ending:
    outcome = Outcome.SUCCESS if status is Status.SUCCESS else Outcome.ERROR
    return Ending(claim=a_claim(), outcome=outcome, status=status, runtime_seconds=0.5)


def successes(number: int) -> list[Ending]:
    return [ended() for _ in range(number)]


class FakeSender:
    """Takes events in the place of the thread."""

    def __init__(self) -> None:
        self.attempts: list[Sequence[event_sender.Event]] = []
        self.quiet = False

    def put(self, attempts: Sequence[Sequence[event_sender.Event]]) -> None:
        self.attempts.extend(attempts)

    def is_quiet(self) -> bool:
        return self.quiet


@pytest.fixture
def to_flower(monkeypatch: pytest.MonkeyPatch) -> FakeSender:
    fake = FakeSender()
    monkeypatch.setattr(events, "sender", lambda hostname, dropped: fake)
    allowed = Allowance(10, Clock())
    monkeypatch.setattr(events, "allowance", lambda: allowed)
    monkeypatch.setattr(events, "left_out", LeftOut())
    return fake


def test_no_more_tasks_are_shown_than_the_allowance_of_a_second():
    clock = Clock()
    allowance = Allowance(4, clock)
    assert len(allowance.choose(successes(9))) == 4
    assert len(allowance.choose(successes(9))) == 0
    clock.now += 0.5
    assert len(allowance.choose(successes(9))) == 2
    clock.now += 3600
    assert len(allowance.choose(successes(9))) == 4


def test_an_allowance_of_zero_shows_every_task():
    assert len(Allowance(0, Clock()).choose(successes(900))) == 900


def test_an_allowance_of_one_still_shows_a_success():
    assert len(Allowance(1, Clock()).choose(successes(3))) == 1


def test_what_did_not_succeed_is_shown_before_what_did_and_in_the_order_of_their_ends():
    failures = [ended(Status.ERROR), ended(Status.RETRY), ended(Status.CANCELLED)]
    endings = [*successes(2), failures[0], *successes(5), *failures[1:]]
    chosen = Allowance(4, Clock()).choose(endings)
    assert chosen == [endings[0], *failures]


def test_successes_leave_a_fifth_of_the_allowance_to_what_comes_later_and_fails():
    allowance = Allowance(10, Clock())
    assert len(allowance.choose(successes(50))) == 8
    assert len(allowance.choose([ended(Status.ERROR) for _ in range(5)])) == 2


def test_an_attempt_is_shown_with_all_of_its_events_or_none_and_the_rest_is_counted(to_flower):
    TaskEvents("w@host").ran(successes(30))
    assert [[kind for kind, _ in attempt] for attempt in to_flower.attempts] == [
        ["task-received", "task-started", "task-succeeded"]
    ] * 8
    assert events.left_out.tasks == 22


def test_nothing_is_built_for_tasks_that_are_left_out(to_flower, monkeypatch):
    spelled: list[Any] = []
    monkeypatch.setattr(events, "dumps", lambda value: spelled.append(value) or "")
    TaskEvents("w@host").ran(successes(30))
    assert len(spelled) == 8


def test_tasks_that_end_while_the_broker_is_away_are_counted_and_nothing_is_built(to_flower):
    to_flower.quiet = True
    TaskEvents("w@host").ran(successes(3))
    assert to_flower.attempts == []
    assert events.left_out.tasks == 3


def test_the_log_says_at_most_once_a_minute_how_many_were_left_out(caplog):
    clock = Clock()
    left_out = LeftOut(clock)
    with caplog.at_level(logging.WARNING):
        for seconds, tasks in ((0, 5), (30, 7), (29, 1), (1, 2), (59, 4)):
            clock.now += seconds
            left_out.add(tasks)
    assert [record.args[:2] for record in caplog.records] == [(5, 5), (10, 15)]
    assert left_out.tasks == 19


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("events", broker="memory://", set_as_current=False)
    yield app
    app.close()


def received(app: Celery, act: Any) -> list[list[dict[str, Any]]]:
    """The messages about tasks that `act` sends."""
    messages: list[list[dict[str, Any]]] = []
    with Connection("memory://", transport_options={"polling_interval": 0.01}) as connection:
        queue = Queue("", Exchange("celeryev", type="topic"), routing_key="task.#", exclusive=True)

        def take(body: Any, message: Any) -> None:
            messages.append(body)
            message.ack()

        with Consumer(connection, queue, callbacks=[take], accept=["json"]):
            act()
            with suppress(TimeoutError):
                while True:
                    connection.drain_events(timeout=0.1)
    return messages


def attempts(number: int) -> list[Sequence[event_sender.Event]]:
    return [tuple(events.events_of(ended(), 5.0)) for _ in range(number)]


def test_attempts_of_several_slices_go_in_one_message_in_their_order(app):
    sender = EventSender(app, "w@host", lambda tasks: None)
    waiting = attempts(5)

    def act() -> None:
        sender.put(waiting[:2])
        sender.put(waiting[2:])
        sender.send_waiting()

    (message,) = received(app, act)
    assert [(event["type"], event["uuid"]) for event in message] == [
        (kind, fields["uuid"]) for attempt in waiting for kind, fields in attempt
    ]
    assert {event["hostname"] for event in message} == {"w@host"}


def test_the_thread_sends_what_is_put(app, monkeypatch):
    sent: list[event_sender.Event] = []
    is_sent = threading.Event()

    def send(self: EventSender, batch: Sequence[event_sender.Event]) -> None:
        sent.extend(batch)
        is_sent.set()

    monkeypatch.setattr(EventSender, "_send", send)
    sender = EventSender(app, "w@host", lambda tasks: None)
    sender.start()
    waiting = attempts(2)
    sender.put(waiting)
    assert is_sent.wait(timeout=10)
    assert sent == [*waiting[0], *waiting[1]]


def test_events_that_the_broker_does_not_take_are_counted_and_not_tried_again_at_once(app, monkeypatch):
    tried: list[int] = []
    dropped: list[int] = []

    def refuse(self: EventSender, batch: Sequence[event_sender.Event]) -> None:
        tried.append(len(batch))
        raise ConnectionError("no broker")

    monkeypatch.setattr(EventSender, "_send", refuse)
    sender = EventSender(app, "w@host", dropped.append)
    for _ in range(2):
        sender.put(attempts(2))
        sender.send_waiting()
    assert (tried, dropped) == ([6], [2, 2])
    assert sender.is_quiet()


def test_no_more_events_are_taken_while_too_many_wait_for_the_broker(app, monkeypatch):
    monkeypatch.setattr(event_sender, "MOST_WAITING", 3)
    monkeypatch.setattr(EventSender, "_send", lambda self, batch: None)
    sender = EventSender(app, "w@host", lambda tasks: None)
    sender.put(attempts(2))
    assert not sender.is_quiet()
    sender.put(attempts(1))
    assert sender.is_quiet()
    sender.send_waiting()
    assert not sender.is_quiet()


def test_a_drain_does_not_wait_while_the_broker_hangs(app, monkeypatch):
    sent: list[event_sender.Event] = []
    hangs, answers, is_sent = threading.Event(), threading.Event(), threading.Event()

    def send(self: EventSender, batch: Sequence[event_sender.Event]) -> None:
        hangs.set()
        assert answers.wait(timeout=30)
        sent.extend(batch)
        if len(sent) == 9:
            is_sent.set()

    monkeypatch.setattr(EventSender, "_send", send)
    sender = EventSender(app, "w@host", lambda tasks: None)
    sender.start()
    waiting = attempts(3)
    sender.put(waiting[:1])
    assert hangs.wait(timeout=10)
    sender.put(waiting[1:])
    assert sent == []
    answers.set()
    assert is_sent.wait(timeout=10)
    assert sent == [event for attempt in waiting for event in attempt]


def test_a_child_of_the_pool_sends_what_waits_before_it_ends(monkeypatch):
    sent: list[event_sender.Event] = []
    monkeypatch.setattr(EventSender, "start", lambda self: None)
    monkeypatch.setattr(EventSender, "_send", lambda self, batch: sent.extend(batch))
    sender = event_sender.sender.__wrapped__("w@host", lambda tasks: None)
    (attempt,) = attempts(1)
    sender.put([attempt])
    worker_process_shutdown.send(sender=None, pid=1, exitcode=0)
    assert sent == [*attempt]
