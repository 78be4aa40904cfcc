"""Working without a broker."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scheduler_service import polling
from tasks_app import doorbell, drain, shutdown
from tests.integration.helpers import create, new_task, status_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mine = drain.Worker()
    monkeypatch.setattr(polling, "worker", lambda: mine)
    monkeypatch.setattr(polling, "PAUSE_AFTER_FAILURE", 0.0)
    yield
    mine.watchdog.rest()


def waits(number: int) -> Callable[[float], bool]:
    """Waits that return at once, the last of which says that the process is to stop."""
    left = iter([False] * (number - 1) + [True])
    return lambda seconds: next(left)


def test_a_polling_worker_works_off_all_queues():
    ids = create(new_task(), new_task(queue="a"), new_task(queue="b"), now=None)
    polling.work([], 0.25, waits(1))
    assert {status_of(task_id) for task_id in ids} == {"SUCCESS"}


def test_a_polling_worker_with_named_queues_leaves_the_others():
    mine, other = create(new_task(queue="a"), new_task(queue="b"), now=None)
    polling.work(["a"], 0.25, waits(1))
    assert (status_of(mine), status_of(other)) == ("SUCCESS", "PENDING")


def test_a_polling_worker_outlives_a_database_that_is_away(monkeypatch):
    (task_id,) = create(now=None)
    find = polling.store.queues_with_work
    answers: list[Any] = [ConnectionError("gone"), ConnectionError("gone")]

    def flaky() -> list[str]:
        if answers:
            raise answers.pop()
        return find()

    monkeypatch.setattr(polling.store, "queues_with_work", flaky)
    polling.work([], 0.25, waits(4))
    assert status_of(task_id) == "SUCCESS"


def test_a_polling_worker_stops_when_it_is_told_to():
    (task_id,) = create(now=None)
    shutdown.stop()
    try:
        polling.work([], 0.25, waits(1))
    finally:
        shutdown.reset()
    assert status_of(task_id) == "PENDING"


def test_the_tender_does_each_chore_at_its_own_pace_and_goes_on_after_a_failure():
    now = 0.0
    acts: list[tuple[str, float]] = []

    def fail() -> None:
        acts.append(("b", now))
        raise ConnectionError

    def wait(seconds: float) -> bool:
        nonlocal now
        now += seconds
        return now >= 4

    chores = [polling.Chore(lambda: acts.append(("a", now)), 1.0), polling.Chore(fail, 3.0)]
    polling.tend(chores, wait, lambda: now)
    assert acts == [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 3)]


def test_the_tender_goes_on_with_what_a_chore_has_left_when_the_others_had_their_turn():
    acts: list[str] = []

    def portion() -> bool:
        acts.append("portion")
        return acts.count("portion") < 3

    chores = [polling.Chore(portion, 60.0), polling.Chore(lambda: acts.append("other"), 0.0)]
    polling.tend(chores, waits(4), lambda: 0.0)
    assert acts == ["portion", "other"] * 3 + ["other"]


def test_the_tender_does_what_beat_sends():
    from scheduler_service.celery import app

    sent = {entry["task"].rpartition(".")[2] for entry in app.conf.beat_schedule.values()}
    assert {chore.act.__name__ for chore in polling.chores()} | {"keep_time"} == sent


def test_the_tender_keeps_the_time_until_it_is_told_to_stop_and_outlives_a_failure():
    acts: list[str] = []

    def keep() -> None:
        acts.append("kept")
        if len(acts) == 2:
            raise ConnectionError("gone")

    polling.keep_time(waits(3), keep)
    assert acts == ["kept"] * 3


def test_without_a_broker_nothing_is_sent_and_nothing_is_missed(monkeypatch, settings):
    monkeypatch.undo()
    settings.CONFIG = settings.CONFIG.model_copy(update={"celery_broker_url": "none"})
    monkeypatch.setattr(doorbell, "waiting", lambda name: pytest.fail("asked a broker"))
    doorbell.ring("tasks")
    assert doorbell.broker_is_reachable()
