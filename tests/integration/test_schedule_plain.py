"""The short way through a tick, for schedules with nothing special, against the way that knows every case."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules_app import plain, store
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Fired
from tasks_app import insertion
from tasks_app.ids import new_id, new_id_text
from tasks_app.models import Task
from tasks_app.records import TaskRow
from tests.integration.schedules import HOUR, MINUTE, NOON, create, get, ledger, new

pytestmark = pytest.mark.django_db

KINDS: tuple[dict[str, Any], ...] = (
    {"every_x_hours": 1},
    {
        "every_x_hours": None,
        "every_x_days": 1,
        "timezone": "Europe/Berlin",
        "priority": 2,
        "queue": "reports",
    },
    {"every_x_minutes": 30, "jitter_seconds": 90, "tags": ["a", 'b"\\']},
    {"every_x_hours": None, "cron": "0 13 * * *", "timezone": "Europe/Berlin", "expires_after_seconds": 60.0},
    {"every_x_hours": None, "rrule": "FREQ=WEEKLY;BYDAY=TU,WE", "max_attempts": 7},
    {"arguments": {"x": 'é "quoted" \\ {{ occurrence }}', "of": ["{{ schedule_id }}", 1.0, None, True]}},
    {"arguments": {"x": {"deep": [10**18, "\u2028", "😀"]}}, "timeout_seconds": 1.5},
    {"schedule_x_times": 2},
    {"ends_at": NOON + HOUR},
    {"catch_up": "skip"},
    {"catch_up": "all", "catch_up_window_seconds": 60.0},
    {"catch_up_window_seconds": 7200.0},
    {"excluded_dates": ["2030-01-02"]},
    {"overlap": "skip"},
    {"operation": "reports.gone"},
    {"expires_after_seconds": 1e-6},
    {"callback_url": "https://hooks.example.com/?a=b"},
    {"project_id": 2},
    {"project_id": 3, "overlap": "skip", "arguments": {"x": "{{ occurrence }}"}},
)
ROWS: dict[type[Any], tuple[str, ...]] = {
    Task: (
        *("operation", "arguments", "priority", "queue", "tags", "status", "max_attempts", "timeout_seconds"),
        *("run_at", "expires_at", "created_at", "task_schedule", "retry_of", "unique_key"),
        *("retry_backoff", "retry_base_seconds", "retry_cap_seconds", "attempt", "worker"),
        *("project_id", "batch_id", "callback_url"),
    ),
    Occurrence: (
        *("task_schedule_id", "occurs_at", "verdict", "reason", "origin", "decided_at", "count"),
        *("last_occurs_at", "revision", "task_status", "task_finished_at"),
    ),
    TaskSchedule: tuple(field.attname for field in TaskSchedule._meta.concrete_fields),
}


def _left_behind(keys: dict[Any, int]) -> dict[str, list[str]]:
    """All that ticks have written, without the ids that differ each time."""

    def shown(rows: list[tuple[Any, ...]]) -> list[str]:
        texts = list(map(repr, rows))
        for key, number in keys.items():
            texts = [text.replace(str(key), str(number)) for text in texts]
        return sorted(texts)

    return {model.__name__: shown(list(model.objects.values_list(*names))) for model, names in ROWS.items()}


def _history(moments: list[datetime]) -> tuple[dict[str, list[str]], list[Fired]]:
    for model in (Task, Occurrence, TaskSchedule):
        model.objects.all().delete()
    schedules = store.create([new(**kind) for kind in KINDS], NOON)
    fired = [store.fire_due(moment) for moment in moments]
    return _left_behind({schedule.pk: number for number, schedule in enumerate(schedules)}), fired


@pytest.mark.parametrize("late", [0, 59, 61, 4000])
def test_both_ways_leave_the_same_rows_behind(monkeypatch: pytest.MonkeyPatch, late: int) -> None:
    moments = [NOON + n * 30 * MINUTE + timedelta(seconds=late) for n in range(4)] + [NOON + 30 * HOUR]
    with monkeypatch.context() as patch:
        # What follows a nominal time depends on jitter, which depends on the id.
        patch.setattr(plain, "jitter", lambda key, at, seconds: timedelta(seconds=seconds / 2))
        patch.setattr("schedules_app.firing.jitter", plain.jitter)
        short = _history(moments)
        patch.setattr(plain, "step", lambda due, moment: None)
        assert short == _history(moments)
    assert short[0]["Task"]


def test_a_plain_schedule_is_fired_without_a_look_at_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = create(3, starts_at=datetime(2029, 1, 1, 12, tzinfo=UTC))
    monkeypatch.setattr("schedules_app.store.ticking.fire", None)
    with CaptureQueriesContext(connection) as queries:
        assert store.fire_due(NOON) == Fired(schedules=3, tasks=3)
    assert [ledger(key) for key in keys] == [[(NOON, "FIRED")]] * 3
    assert [query for query in queries.captured_queries if '"alert_after_failures"' in query["sql"]] == []


@pytest.mark.parametrize("minutes", [5, 59])
def test_an_occurrence_that_is_missed_alone_takes_the_short_way_too(
    monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    (key,) = create()
    monkeypatch.setattr("schedules_app.store.ticking.fire", None)
    assert store.fire_due(NOON + minutes * MINUTE) == Fired(schedules=1, tasks=1)
    assert ledger(key) == [(NOON, "LATE")]


def test_a_step_that_fails_leads_to_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    (key,) = create()

    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(plain, "following", fail)
    assert store.fire_due(NOON) == Fired(schedules=1, tasks=1)
    assert get(key).next_run_at == NOON + HOUR


def test_the_last_of_its_tasks_ends_a_plain_schedule_too() -> None:
    (key,) = create(schedule_x_times=1)
    assert store.fire_due(NOON).tasks == 1
    assert (get(key).next_run_at, get(key).tasks_created) == (None, 1)


def test_the_row_of_a_new_task_has_the_columns_that_are_inserted_in_their_order() -> None:
    assert TaskRow._fields == tuple(insertion.NEW)


def test_ids_in_text_follow_upon_the_others() -> None:
    first, second, third = new_id(), UUID(new_id_text()), new_id()
    assert first < second < third
