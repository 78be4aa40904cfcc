"""Mending schedules, pruning the ledger, and the chores that do it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules_app import store, tasks
from schedules_app.models import Occurrence, TaskSchedule
from tasks_app import store as task_store
from tasks_app.lifecycle import Status
from tasks_app.models import Task
from tests.integration.schedule_outcomes import (
    begin_anew,  # noqa: F401 - a fixture for every test here
    run,
)
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, finish_all, get

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def test_a_schedule_that_an_older_process_resumed_is_fired_again() -> None:
    stranded, paused, finished = create(1)[0], create(1)[0], create(schedule_x_times=1)[0]
    store.pause([paused], NOON - MINUTE)
    store.fire_due(NOON)
    TaskSchedule.objects.filter(pk=stranded).update(due_at=None)
    assert store.mend() == 1
    assert store.mend() == 0
    assert get(stranded).due_at == NOON + HOUR - 3 * SECOND
    assert (get(paused).due_at, get(finished).due_at) == (None, None)


def _prune_all(before: datetime, limit: int = 250) -> int:
    return sum(iter(lambda: store.prune_ledger(before, limit), 0))


def test_old_rows_go_and_younger_ones_stay() -> None:
    (key,) = create()
    for hour in range(6):
        run(key, hour, Status.SUCCESS)
    assert _prune_all(NOON + 3 * HOUR, 2) == 3
    assert Occurrence.objects.order_by("occurs_at")[0].occurs_at == NOON + 3 * HOUR


def test_rows_of_tasks_that_have_not_ended_stay_and_hold_up_nobody() -> None:
    create(3)
    store.fire_due(NOON)
    (key,) = create(now=NOON + HOUR)
    store.fire_due(NOON + HOUR)
    Task.objects.filter(task_schedule=key).delete()
    assert _prune_all(NOON + 2 * DAY, 2) == 1
    assert Occurrence.objects.filter(task_schedule_id=key, occurs_at=NOON + HOUR).count() == 0
    assert Occurrence.objects.count() == 6
    finish_all(NOON + 3 * HOUR)
    assert _prune_all(NOON + 2 * DAY, 2) == 6


def test_rows_of_the_future_stay_however_old_the_decision_is() -> None:
    create(every_x_hours=None, every_x_days=1, starts_at=NOON + DAY, excluded_dates=["2030-01-02"])
    assert _prune_all(NOON + HOUR) == 0
    assert _prune_all(NOON + 2 * DAY) == 1


def test_a_pruning_reads_little_more_than_it_deletes() -> None:
    create(40)
    store.fire_due(NOON)
    finish_all(NOON + MINUTE)
    with CaptureQueriesContext(connection) as queries:
        assert store.prune_ledger(NOON - HOUR, 5) == 0
    assert len(queries) == 1


def test_the_ledger_is_pruned_as_its_retention_says(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    (key,) = create()
    run(key, 0, Status.SUCCESS)
    monkeypatch.setattr(task_store, "database_now", lambda: NOON + 10 * DAY)
    for days, left in ((0, 1), (11, 1), (9, 0)):
        settings.CONFIG = settings.CONFIG.model_copy(update={"retention_occurrences_days": days})
        tasks.prune_ledger()
        assert Occurrence.objects.count() == left
