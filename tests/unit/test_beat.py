"""What beat sends, and when, on a clock of its own."""

from collections import Counter

import pytest

from scheduler_service import beat
from scheduler_service.celery import app
from tasks_app import doorbell


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    tasks: list[str] = []

    def send(task: str, arguments: list[str], queue: str, most: int) -> bool:
        tasks.append(task.rpartition(".")[2])
        return True

    monkeypatch.setattr(doorbell, "send", send)
    return tasks


def test_each_entry_is_sent_at_its_own_pace_and_the_keeper_first(sent: list[str]) -> None:
    now = 1000.0
    scheduler = beat.BoundedScheduler(app, clock=lambda: now)
    while now < 1060:
        begin = len(sent)
        pause = scheduler.tick()
        assert sent[begin] == "keep_time"
        assert pause == 1.0
        now += pause
    assert Counter(sent) == {
        "keep_time": 60,
        "tick": 60,
        "sweep": 60,
        "settle": 30,
        "rescue": 12,
        "prune": 1,
        "prune_ledger": 1,
    }


def test_a_beat_that_was_held_up_sends_each_entry_once_and_goes_on(sent: list[str]) -> None:
    now = 1000.0
    scheduler = beat.BoundedScheduler(app, clock=lambda: now)
    scheduler.tick()
    sent.clear()
    now += 3600
    scheduler.tick()
    assert max(Counter(sent).values()) == 1
    sent.clear()
    now += 0.5
    assert (scheduler.tick(), sent) == (0.5, [])
