"""What a tick lays down: tasks ahead of their time, with jitter, expiry and filled-in arguments."""

from typing import Any
from uuid import UUID

import pytest

from schedules_app import store
from schedules_app.firing import run_at
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.queries import status_of
from schedules_app.records import Fired
from tasks_app.models import Task
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, finish_all, get, ledger, told

pytestmark = pytest.mark.django_db


def test_a_task_is_there_before_its_time_and_waits_for_it(rings: list[str]) -> None:
    (key,) = create(starts_at=NOON + HOUR)
    assert store.fire_due(NOON + HOUR - 4 * SECOND) == Fired()
    assert store.fire_due(NOON + HOUR - 3 * SECOND) == Fired(schedules=1, tasks=1)
    task = Task.objects.get()
    assert (task.status, task.run_at) == ("SCHEDULED", NOON + HOUR)
    assert (ledger(key), rings) == ([(NOON + HOUR, "FIRED")], [])
    assert get(key).next_run_at == NOON + 2 * HOUR
    assert get(key).due_at == NOON + 2 * HOUR - 3 * SECOND


def test_every_occurrence_up_to_the_horizon_is_laid_down_and_once_only() -> None:
    (key,) = create(every_x_hours=None, every_x_seconds=1)
    assert store.fire_due(NOON).tasks == 4
    assert store.fire_due(NOON) == Fired()
    assert store.fire_due(NOON + SECOND).tasks == 1
    assert told(key, step=SECOND) == [(n, "FIRED") for n in range(5)]


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all", "cancel_previous"])
def test_what_depends_on_earlier_tasks_is_not_laid_down_ahead(overlap: str) -> None:
    (key,) = create(starts_at=NOON + HOUR, overlap=overlap)
    assert get(key).due_at == NOON + HOUR
    assert store.fire_due(NOON + HOUR - SECOND) == Fired()
    assert store.fire_due(NOON + HOUR).tasks == 1
    assert get(key).due_at == NOON + 2 * HOUR


def test_jitter_moves_the_task_and_not_the_occurrence() -> None:
    (key,) = create(jitter_seconds=600, every_x_hours=None, every_x_minutes=1)
    times = []
    for n in range(20):
        store.fire_due(NOON + n * MINUTE)
    for row in Occurrence.objects.filter(task_schedule_id=key):
        task = Task.objects.get(pk=row.task_id)
        assert task.run_at == run_at(get(key), row.occurs_at)
        times.append((task.run_at - row.occurs_at).total_seconds())
    assert all(0 <= seconds <= 600 for seconds in times)
    assert len(set(times)) > 1
    assert told(key, step=MINUTE) == [(n, "FIRED") for n in range(20)]


def test_a_task_expires_some_time_after_it_may_start() -> None:
    (key,) = create(expires_after_seconds=90, jitter_seconds=60)
    store.fire_due(NOON)
    task = Task.objects.get()
    assert task.run_at == run_at(get(key), NOON)
    assert (task.expires_at - task.run_at).total_seconds() == 90  # type: ignore[operator]


def test_what_would_have_expired_already_is_skipped_and_uses_up_nothing() -> None:
    (key,) = create(expires_after_seconds=3600, catch_up="all", schedule_x_times=2)
    assert store.fire_due(NOON + 3 * HOUR + 30 * MINUTE) == Fired(schedules=1, tasks=1, skipped=3)
    assert told(key) == [(0, "expired"), (1, "expired"), (2, "expired"), (3, "LATE")]
    assert (get(key).tasks_created, get(key).next_run_at) == (1, NOON + 4 * HOUR)


def test_an_occurrence_expires_at_the_very_moment() -> None:
    (key,) = create(expires_after_seconds=60)
    store.fire_due(NOON + 60 * SECOND)
    assert told(key) == [(0, "expired")]


def test_placeholders_are_filled_in_for_each_occurrence() -> None:
    (key,) = create(catch_up="all", arguments={"day": "{{ occurrence }}", "of": ["{{schedule_id}}"]})
    store.fire_due(NOON + HOUR)
    found = list(Task.objects.order_by("run_at").values_list("arguments", flat=True))
    days = ["2030-01-01T12:00:00Z", "2030-01-01T13:00:00Z"]
    assert found == [{"day": day, "of": [str(key)]} for day in days]
    assert get(key).arguments == {"day": "{{ occurrence }}", "of": ["{{schedule_id}}"]}


def _paused(until: Any, **fields: Any) -> UUID:
    (key,) = create(**fields)
    TaskSchedule.objects.filter(pk=key).update(
        paused_at=NOON - HOUR, paused_until=until, due_at=until, pause_note="rest"
    )
    return key


def test_a_pause_with_an_end_ends_by_itself_at_that_time() -> None:
    key = _paused(NOON + 3 * HOUR)
    assert store.fire_due(NOON + 3 * HOUR - SECOND) == Fired()
    assert store.fire_due(NOON + 3 * HOUR) == Fired(schedules=1, tasks=1, skipped=3)
    assert told(key) == [(0, "paused"), (1, "paused"), (2, "paused"), (3, "FIRED")]
    schedule = get(key)
    assert (schedule.paused_at, schedule.paused_until, schedule.pause_note) == (None, None, "")
    assert status_of(schedule) == "ACTIVE"


def test_a_pause_that_ended_between_two_occurrences_fires_the_next_one_in_its_time() -> None:
    key = _paused(NOON + 2 * HOUR + MINUTE)
    assert store.fire_due(NOON + 2 * HOUR + MINUTE) == Fired(schedules=1, tasks=0, skipped=3)
    assert get(key).due_at == NOON + 3 * HOUR - 3 * SECOND
    store.fire_due(NOON + 3 * HOUR)
    assert told(key)[3:] == [(3, "FIRED")]


def test_what_was_missed_after_the_end_of_a_pause_follows_the_policy() -> None:
    key = _paused(NOON + 2 * HOUR, catch_up="all")
    store.fire_due(NOON + 4 * HOUR)
    assert told(key) == [(0, "paused"), (1, "paused"), (2, "LATE"), (3, "LATE"), (4, "FIRED")]


def test_a_pause_beyond_the_last_occurrence_ends_in_a_finished_schedule() -> None:
    key = _paused(NOON + 9 * HOUR, ends_at=NOON + HOUR)
    store.fire_due(NOON + 9 * HOUR)
    assert told(key) == [(0, "paused"), (1, "paused")]
    assert status_of(get(key)) == "FINISHED"
    assert store.fire_due(NOON + 10 * HOUR) == Fired()


def test_a_schedule_that_an_older_release_paused_does_not_head_every_slice() -> None:
    """It knows no due_at and leaves it as it was."""
    (key,) = create()
    TaskSchedule.objects.filter(pk=key).update(paused_at=NOON)
    (other,) = create(now=NOON + SECOND)
    store.fire_due(NOON + MINUTE, limit=1)
    store.fire_due(NOON + MINUTE, limit=1)
    assert (get(key).due_at, ledger(key)) == (None, [])
    assert get(key).paused_at == NOON
    assert len(ledger(other)) == 1


def test_a_plan_too_long_for_one_slice_is_gone_on_with_by_the_next() -> None:
    (key,) = create(cron="* * * * *", every_x_hours=None)
    minutes = 6000
    assert store.fire_due(NOON + minutes * MINUTE).tasks == 0
    assert get(key).due_at < NOON + minutes * MINUTE  # type: ignore[operator]
    assert store.fire_due(NOON + minutes * MINUTE).tasks == 2
    assert store.fire_due(NOON + minutes * MINUTE) == Fired()
    rows = Occurrence.objects.filter(task_schedule_id=key)
    assert sum(rows.values_list("count", flat=True)) == minutes + 1
    assert [verdict for _, verdict in ledger(key)][-2:] == ["FIRED", "FIRED"]


def test_a_pause_too_long_for_one_slice_ends_with_the_next() -> None:
    minutes = 6000
    (key,) = create(cron="* * * * *", every_x_hours=None)
    until = NOON + minutes * MINUTE
    TaskSchedule.objects.filter(pk=key).update(paused_at=NOON, paused_until=until, due_at=until)
    assert store.fire_due(until).tasks == 0
    assert get(key).paused_at == NOON
    assert store.fire_due(until).tasks == 1
    rows = Occurrence.objects.filter(task_schedule_id=key)
    assert sum(rows.filter(reason="paused").values_list("count", flat=True)) == minutes
    assert ledger(key)[-1] == (until, "FIRED")


def test_a_rule_that_fails_in_an_unforeseen_way_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    from schedules_app import firing

    broken, healthy = create(2, excluded_dates=["2000-01-01"])
    plain = firing.rule_of

    def fail(schedule: TaskSchedule) -> Any:
        if schedule.pk == broken:
            raise ZeroDivisionError("who would have thought")
        return plain(schedule)

    monkeypatch.setattr(firing, "rule_of", fail)
    store.fire_due(NOON)
    assert (get(broken).due_at, get(broken).paused_at) == (None, NOON)
    assert "who would have thought" in get(broken).pause_note
    assert ledger(healthy) == [(NOON, "FIRED")]


def test_a_clock_that_jumps_back_fires_nothing_twice() -> None:
    (key,) = create()
    (buffering,) = create(overlap="buffer_all")
    for hours in (0, 1, 2, 1, 0, 2, 3):
        store.fire_due(NOON + hours * HOUR)
    for _ in range(5):
        finish_all(NOON + 3 * HOUR)
        store.fire_due(NOON + 3 * HOUR)
    assert told(key) == [(n, "FIRED") for n in range(4)]
    assert [hour for hour, _ in told(buffering)] == [0, 1, 2, 3]
    assert Task.objects.count() == 8
