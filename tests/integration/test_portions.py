"""Chores that stop after a portion of time: what they leave, and who does the rest."""

from datetime import timedelta
from functools import partial

import pytest

from schedules_app import store as schedule_store
from schedules_app import tasks as schedule_tasks
from schedules_app.models import Occurrence
from schedules_app.store import outcomes
from tasks_app import doorbell, portions, store, tasks
from tasks_app.models import Task
from tests.integration import schedules
from tests.integration.helpers import NOON, create, new_task

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[str]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What was sent to the scheduler worker, by chores whose portion is one slice."""
    messages: Sent = []

    def send(task: str, arguments: list[str], queue: str, most: int) -> bool:
        if queue == portions.QUEUE:
            messages.append((task, arguments))
        return True

    monkeypatch.setattr(doorbell, "send", send)
    monkeypatch.setattr(portions, "PORTION_SECONDS", 0.0)
    return messages


@pytest.fixture(autouse=True)
def _begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "_settler", outcomes.Settler())


def test_a_tick_with_more_than_a_portion_is_sent_again_until_nothing_is_left(sent, settings):
    settings.CONFIG = settings.CONFIG.model_copy(update={"tick_slice": 2})
    schedules.create(5, NOON - timedelta(days=9000), every_x_hours=None, every_x_days=20_000)
    fired, left = [], True
    while left:
        left = schedule_tasks.tick()
        fired.append(Occurrence.objects.count())
    assert fired == [2, 4, 5, 5]
    assert sent == [("schedules_app.tasks.tick", [])] * 3


def test_a_tick_leaves_what_becomes_due_meanwhile_to_the_next(monkeypatch):
    clock = iter([NOON, NOON + timedelta(hours=1)])
    monkeypatch.setattr(schedule_tasks.task_store, "database_now", lambda: next(clock))
    schedules.create(1, NOON)
    schedules.create(1, NOON, starts_at=NOON + timedelta(minutes=1))
    assert schedule_tasks.tick() is False
    assert Occurrence.objects.count() == 1
    assert next(clock)  # the tick asked for the time once


def test_noting_outcomes_stops_between_slices_and_goes_on_behind_them(sent, monkeypatch):
    monkeypatch.setattr(outcomes, "SLICE", 2)
    schedules.create(5)
    schedule_store.fire_due(NOON)
    assert schedules.finish_all(NOON) == 5
    open_rows = Occurrence.objects.filter(task_status="")
    left = []
    while schedule_tasks.settle():
        left.append(open_rows.count())
    assert left == [3, 1, 0]
    assert sent == [("schedules_app.tasks.settle", [])] * 3


def test_a_sweep_promotes_a_slice_and_is_sent_again(sent, monkeypatch):
    monkeypatch.setattr(store, "SWEEP_SLICE", 2)
    monkeypatch.setattr(store, "promote", partial(store.promote, limit=2))
    past = store.database_now() - timedelta(minutes=1)
    create(*(new_task(run_at=past) for _ in range(3)), now=past - timedelta(hours=1))
    pending = Task.objects.filter(status="PENDING")
    assert (tasks.sweep(), pending.count()) == (True, 2)
    assert (tasks.sweep(), pending.count()) == (False, 3)
    assert sent == [("tasks_app.tasks.sweep", [])]


def test_a_pruning_in_portions_deletes_no_more_than_its_slices(sent, monkeypatch):
    monkeypatch.setattr(store, "PRUNE_SLICE", 2)
    monkeypatch.setattr(store, "prune", partial(store.prune, limit=2))
    long_ago = store.database_now() - timedelta(days=500)
    create(*(new_task() for _ in range(7)), now=long_ago)
    store.cancel(Task.objects.values_list("pk", flat=True), long_ago)
    assert tasks.prune("2") is True
    assert Task.objects.count() == 5
    [(name, arguments)] = sent
    assert (name, arguments) == ("tasks_app.tasks.prune", ["1"])
    tasks.prune(*arguments)
    assert Task.objects.count() == 3
    tasks.prune(*sent[-1][1])
    assert Task.objects.count() == 3
