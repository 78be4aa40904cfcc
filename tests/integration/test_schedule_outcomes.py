"""How tasks ended, in the ledger and in the schedules' counters."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules_app import store
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.store import outcomes
from tasks_app import store as task_store
from tasks_app.lifecycle import Outcome, Status
from tasks_app.models import Task
from tests.integration.helpers import at_once, claim, ending
from tests.integration.schedule_outcomes import (
    begin_anew,  # noqa: F401 - a fixture for every test here
    health_of,
    outcomes_of,
    run,
    settle_all,
)
from tests.integration.schedules import HOUR, MINUTE, NOON, create, finish_all

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def test_the_ledger_learns_how_each_task_ended_and_outlives_it() -> None:
    (key,) = create()
    run(key, 0, Status.SUCCESS)
    run(key, 1, Status.ERROR)
    assert outcomes_of(key) == [("", None), ("", None)]
    assert store.settle() == 2
    Task.objects.all().delete()
    assert store.settle() == 0
    assert outcomes_of(key) == [("SUCCESS", NOON + MINUTE), ("ERROR", NOON + HOUR + MINUTE)]


def test_a_task_that_has_not_ended_keeps_its_row_open() -> None:
    (key,) = create()
    store.fire_due(NOON)
    assert store.settle() == 0
    assert (outcomes_of(key), health_of(key)) == ([("", None)], (0, None, None))


def test_a_task_that_was_deleted_before_anybody_looked_is_noted_as_such_and_counts_for_nothing() -> None:
    (key,) = create()
    store.fire_due(NOON)
    Task.objects.all().delete()
    assert store.settle() == 1
    assert (outcomes_of(key), health_of(key)) == ([("DELETED", None)], (0, None, None))


def test_failures_in_a_row_are_counted_in_order_of_finishing_and_a_success_ends_the_row() -> None:
    (key,) = create()
    for hour, status in enumerate([Status.ERROR, Status.SUCCESS, Status.ERROR, Status.ERROR]):
        run(key, hour, status)
    settle_all()
    assert health_of(key) == (2, NOON + HOUR + MINUTE, NOON + 3 * HOUR + MINUTE)
    run(key, 4, Status.SUCCESS)
    settle_all()
    assert health_of(key)[0] == 0


def test_a_task_that_expired_is_a_failure() -> None:
    (key,) = create(expires_after_seconds=60)
    store.fire_due(NOON)
    task_store.expire(NOON + 2 * MINUTE)
    settle_all()
    assert health_of(key) == (1, None, NOON + 2 * MINUTE)


def test_a_cancelled_task_is_neither_failure_nor_success() -> None:
    (key,) = create()
    run(key, 0, Status.ERROR)
    run(key, 1, Status.CANCELLED)
    settle_all()
    assert health_of(key) == (1, None, NOON + MINUTE)
    assert outcomes_of(key)[1][0] == "CANCELLED"


def test_a_success_that_is_settled_after_a_later_failure_does_not_hide_it() -> None:
    (key,) = create()
    run(key, 0, Status.SUCCESS)
    run(key, 1, Status.ERROR)
    first, second = Occurrence.objects.order_by("occurs_at")
    Occurrence.objects.filter(pk=first.pk).update(task_status="SUCCESS")
    settle_all()
    Occurrence.objects.filter(pk=first.pk).update(task_status="")
    settle_all()
    assert second.task_id is not None
    assert health_of(key) == (1, NOON + MINUTE, NOON + HOUR + MINUTE)


def test_manual_runs_and_backfills_count_too() -> None:
    (key,) = create(now=NOON + 10 * HOUR + MINUTE, starts_at=NOON)
    now = NOON + 10 * HOUR + MINUTE
    store.trigger(key, now)
    store.backfill(key, NOON, NOON, 5, now)
    store.work_backfills(now)
    finish_all(now + MINUTE)
    assert store.settle() == 2
    assert health_of(key) == (0, now + MINUTE, None)


def test_a_look_costs_the_same_however_many_tasks_have_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "LOOK", 10)
    create(25)
    store.fire_due(NOON)
    # Schedules that are due at one time are fired in any order.
    last = Occurrence.objects.latest("id")
    task_store.cancel([last.task_id], NOON)
    seen = []
    for _ in range(6):
        with CaptureQueriesContext(connection) as queries:
            store.settle()
        seen.append((len(queries), Occurrence.objects.filter(task_status="CANCELLED").count()))
    assert max(count for _, count in seen[:2]) == 0
    assert [count for _, count in seen[2:]] == [1] * 4
    assert [statements for statements, _ in seen[:2]] == [2, 2]


def test_what_a_look_has_passed_by_is_found_when_it_comes_round_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outcomes, "LOOK", 10)
    create(25)
    store.fire_due(NOON)
    store.settle()
    finish_all(NOON + MINUTE)
    assert store.settle() + store.settle() == 15
    assert store.settle() == 10


def test_a_schedule_that_is_deleted_meanwhile_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, kept = create(2)
    store.fire_due(NOON)
    finish_all(NOON + MINUTE)
    plain: Callable[..., Any] = outcomes._ends

    def overtaken(rows: Any) -> Any:
        store.delete(gone, NOON + MINUTE)
        return plain(rows)

    monkeypatch.setattr(outcomes, "_ends", overtaken)
    assert store.settle() == 1
    assert health_of(kept)[1] == NOON + MINUTE


@pytest.mark.django_db(transaction=True)
def test_two_settlers_at_once_count_each_end_once() -> None:
    keys = create(60)
    store.fire_due(NOON)
    endings = [ending(item, Status.ERROR, outcome=Outcome.ERROR) for item in claim(now=NOON)]
    task_store.finish(endings, NOON + MINUTE)
    settlers = [outcomes.Settler(), outcomes.Settler()]
    counts = at_once([settler.look for settler in settlers])
    settled = sum(counts) + settle_all()
    assert settled == 60
    assert set(TaskSchedule.objects.values_list("consecutive_failures", flat=True)) == {1}
    assert len(keys) == 60


@pytest.mark.django_db(transaction=True)
def test_settling_and_ticking_at_once_lose_nothing_of_each_other() -> None:
    keys = create(30)
    store.fire_due(NOON)
    finish_all(NOON + MINUTE)

    def settle() -> int:
        return sum(store.settle() for _ in range(5))

    def tick() -> int:
        return sum(store.fire_due(NOON + HOUR, limit=5).tasks for _ in range(10))

    at_once([settle, tick])
    settle_all()
    while store.fire_due(NOON + HOUR).schedules:
        pass
    rows = set(TaskSchedule.objects.values_list("tasks_created", "last_success_at", "next_run_at"))
    assert rows == {(2, NOON + MINUTE, NOON + 2 * HOUR)}
    assert len(keys) == 30
