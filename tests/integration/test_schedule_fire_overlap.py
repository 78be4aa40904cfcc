"""Overlap policies in a tick: what an unfinished task of the schedule means for its next occurrences."""

from itertools import product
from uuid import UUID

import pytest

from schedules_app import store
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Fired
from tasks_app import store as task_store
from tasks_app.models import Task
from tests.integration.helpers import claim, new_task
from tests.integration.schedules import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    create,
    finish_all,
    get,
    tasks_per_schedule,
    told,
)

pytestmark = pytest.mark.django_db


def _busy(overlap: str, **fields: object) -> UUID:
    """A schedule whose task of noon has not finished."""
    (key,) = create(overlap=overlap, **fields)
    store.fire_due(NOON)
    return key


def test_skip_records_what_met_an_unfinished_task() -> None:
    key = _busy("skip")
    assert store.fire_due(NOON + HOUR) == Fired(schedules=1, tasks=0, skipped=1)
    finish_all(NOON + HOUR)
    store.fire_due(NOON + 2 * HOUR)
    assert told(key) == [(0, "FIRED"), (1, "overlap"), (2, "FIRED")]
    assert get(key).tasks_created == 2


@pytest.mark.parametrize("status", ["SCHEDULED", "PENDING", "STARTED"])
def test_any_unfinished_task_counts_whatever_its_origin(status: str) -> None:
    (key,) = create(overlap="skip", starts_at=NOON + HOUR)
    task_store.create(
        [new_task(task_schedule=key, run_at=NOON + 9 * HOUR if status == "SCHEDULED" else None)], NOON
    )
    if status == "STARTED":
        assert len(claim(now=NOON)) == 1
    assert store.fire_due(NOON + HOUR) == Fired(schedules=1, tasks=0, skipped=1)


def test_buffer_one_lets_one_wait_and_fires_it_after_the_end() -> None:
    key = _busy("buffer_one")
    store.fire_due(NOON + HOUR)
    store.fire_due(NOON + 2 * HOUR)
    assert get(key).buffered == [(NOON + HOUR).isoformat()]
    assert store.fire_due(NOON + 2 * HOUR + MINUTE) == Fired()
    finish_all(NOON + 2 * HOUR)
    assert store.fire_due(NOON + 2 * HOUR + MINUTE) == Fired(schedules=1, tasks=1)
    assert told(key) == [(0, "FIRED"), (1, "LATE"), (2, "overlap")]
    assert (get(key).buffered, get(key).buffered_count) == ([], 0)
    assert Task.objects.get(status="PENDING").run_at == NOON + HOUR


def test_buffer_all_fires_one_after_the_other_oldest_first() -> None:
    key = _busy("buffer_all", every_x_hours=None, every_x_seconds=10)
    for n in range(1, 4):
        store.fire_due(NOON + 10 * n * SECOND)
    assert get(key).buffered_count == 3
    for n in range(1, 4):
        finish_all(NOON + 31 * SECOND)
        assert store.fire_due(NOON + 31 * SECOND) == Fired(schedules=1, tasks=1)
        assert store.fire_due(NOON + 31 * SECOND) == Fired()
        assert get(key).last_run_at == NOON + 10 * n * SECOND
    assert told(key, step=10 * SECOND) == [(n, "FIRED") for n in range(4)]


def test_buffer_all_is_bounded(settings) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"overlap_buffer_size": 2})
    key = _busy("buffer_all")
    for n in range(1, 5):
        store.fire_due(NOON + n * HOUR)
    assert get(key).buffered_count == 2
    assert told(key) == [(0, "FIRED"), (3, "overlap"), (4, "overlap")]


def test_cancel_previous_ends_a_waiting_task_and_asks_a_running_one_to_stop() -> None:
    key = _busy("cancel_previous")
    (running,) = claim(now=NOON)
    store.fire_due(NOON + HOUR)
    assert task_store.cancel_requested([running]) == {running.task_id}
    store.fire_due(NOON + 2 * HOUR)
    statuses = Task.objects.filter(task_schedule=key).order_by("run_at").values_list("status", flat=True)
    assert list(statuses) == ["STARTED", "CANCELLED", "PENDING"]
    assert told(key) == [(n, "FIRED") for n in range(3)]


def test_cancel_previous_leaves_the_tasks_of_others_alone() -> None:
    _busy("cancel_previous")
    _busy("allow", schedule_x_times=1)
    task_store.create([new_task()], NOON)
    store.fire_due(NOON + HOUR)
    assert Task.objects.filter(status="CANCELLED").count() == 1


def test_what_waits_expires_in_the_buffer() -> None:
    key = _busy("buffer_all", expires_after_seconds=1800)
    store.fire_due(NOON + HOUR)
    assert get(key).buffered_count == 1
    finish_all(NOON)
    assert store.fire_due(NOON + HOUR + 30 * MINUTE) == Fired(schedules=1, tasks=0, skipped=1)
    assert told(key) == [(0, "FIRED"), (1, "expired")]
    assert get(key).buffered_count == 0


def test_a_paused_schedule_keeps_its_buffer_and_goes_on_with_it() -> None:
    key = _busy("buffer_one")
    store.fire_due(NOON + HOUR)
    finish_all(NOON + HOUR)
    TaskSchedule.objects.filter(pk=key).update(paused_at=NOON + HOUR, due_at=None)
    assert store.fire_due(NOON + HOUR + MINUTE) == Fired()
    TaskSchedule.objects.filter(pk=key).update(paused_at=None, due_at=NOON + 2 * HOUR)
    assert store.fire_due(NOON + HOUR + MINUTE).tasks == 1
    assert told(key) == [(0, "FIRED"), (1, "FIRED")]


def test_a_change_to_allow_lets_all_that_waits_fire_at_once() -> None:
    key = _busy("buffer_all")
    for n in range(1, 4):
        store.fire_due(NOON + n * HOUR)
    TaskSchedule.objects.filter(pk=key).update(overlap="allow")
    assert store.fire_due(NOON + 3 * HOUR) == Fired(schedules=1, tasks=3)
    assert told(key) == [(0, "FIRED"), (1, "LATE"), (2, "LATE"), (3, "FIRED")]


def test_the_last_task_of_a_limit_ends_the_schedule_and_empties_its_buffer() -> None:
    key = _busy("buffer_all", schedule_x_times=2)
    for n in range(1, 4):
        store.fire_due(NOON + n * HOUR)
    assert get(key).next_run_at == NOON + 4 * HOUR
    finish_all(NOON + 3 * HOUR)
    store.fire_due(NOON + 3 * HOUR)
    schedule = get(key)
    assert (schedule.tasks_created, schedule.next_run_at, schedule.due_at) == (2, None, None)
    assert (schedule.buffered, schedule.buffered_count) == ([], 0)
    assert told(key) == [(0, "FIRED"), (1, "LATE")]


def test_what_waits_beyond_the_end_of_the_schedule_still_gets_its_turn() -> None:
    key = _busy("buffer_one", ends_at=NOON + HOUR)
    store.fire_due(NOON + HOUR)
    assert get(key).next_run_at is None
    finish_all(NOON + HOUR)
    assert store.fire_due(NOON + HOUR).tasks == 1
    assert told(key) == [(0, "FIRED"), (1, "FIRED")]


def test_an_occurrence_that_got_its_verdict_while_it_waited_leaves_the_buffer() -> None:
    key = _busy("buffer_all")
    store.fire_due(NOON + HOUR)
    Occurrence.objects.create(
        task_schedule_id=key, occurs_at=NOON + HOUR, verdict="SKIPPED", decided_at=NOON, revision=1
    )
    finish_all(NOON + HOUR)
    assert store.fire_due(NOON + HOUR).tasks == 0
    assert get(key).buffered_count == 0


def test_a_time_that_waits_already_is_not_fired_twice_when_the_rule_comes_to_it_again() -> None:
    key = _busy("buffer_all")
    store.fire_due(NOON + HOUR)
    TaskSchedule.objects.filter(pk=key).update(next_run_at=NOON + HOUR, due_at=NOON + HOUR, overlap="allow")
    assert store.fire_due(NOON + HOUR).tasks == 1
    assert told(key) == [(0, "FIRED"), (1, "FIRED")]
    assert get(key).buffered_count == 0


def test_a_schedule_that_has_no_task_left_cancels_none() -> None:
    key = _busy("cancel_previous", schedule_x_times=2)
    TaskSchedule.objects.filter(pk=key).update(tasks_created=2)
    assert store.fire_due(NOON + HOUR).tasks == 0
    assert Task.objects.get().status == "PENDING"
    assert get(key).next_run_at is None


POLICIES = ["allow", "skip", "buffer_one", "buffer_all", "cancel_previous"]


@pytest.mark.parametrize(
    ("catch_up", "overlap", "limit"), [*product(["latest", "all", "skip"], POLICIES, [None, 2])]
)
def test_after_an_outage_catch_up_comes_before_overlap_and_overlap_before_the_limit(
    catch_up: str, overlap: str, limit: int | None
) -> None:
    """Three hours are missed, a fourth occurrence is just due, and a task from before the outage has not finished."""
    key = _busy(overlap, catch_up=catch_up, schedule_x_times=None if limit is None else limit + 1)
    store.fire_due(NOON + 4 * HOUR)
    missed = {"latest": [1, 2, 3], "skip": [1, 2, 3], "all": []}[catch_up]
    planned = [n for n in range(1, 5) if n not in missed]
    fires = {"allow": planned, "cancel_previous": planned[-1:]}.get(overlap, [])
    waiting = {"buffer_one": planned[:1], "buffer_all": planned}.get(overlap, [])
    fires = fires[:limit]
    is_over = limit is not None and len(fires) == limit
    skipped = {n: "overlap" for n in planned if n not in fires and n not in waiting and not is_over}
    verdicts = {n: "LATE" if n < 4 else "FIRED" for n in fires}
    expected = {0: "FIRED", **dict.fromkeys(missed, "missed"), **skipped, **verdicts}
    assert told(key) == sorted(expected.items())
    schedule = get(key)
    assert schedule.buffered == [(NOON + n * HOUR).isoformat() for n in waiting]
    assert schedule.next_run_at == (None if is_over else NOON + 5 * HOUR)
    assert tasks_per_schedule() == {key: 1 + len(fires)}
