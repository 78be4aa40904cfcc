"""Triggering, skipping, moving and restoring single occurrences, with a driven clock."""

from datetime import timedelta
from uuid import UUID

import pytest

from schedules_app import store
from schedules_app.errors import NoSuchOccurrence, TooManyOverrides
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.store import overrides
from tasks_app.ids import new_id
from tasks_app.models import Task
from tests.integration.helpers import at_once
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, finish_all, get, told

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def _later(**fields: object) -> UUID:
    """An hourly schedule from one o'clock on."""
    (key,) = create(starts_at=NOON + HOUR, **fields)
    return key


def _fire_until(hours: int) -> None:
    for minute in range(hours * 60 + 1):
        store.fire_due(NOON + minute * MINUTE)


def test_a_trigger_creates_a_task_now_and_counts_for_no_limit() -> None:
    key = _later(schedule_x_times=1, priority=2)
    triggered = store.trigger(key, NOON)
    assert triggered is not None
    assert triggered.task == Task.objects.get()
    task = Task.objects.get()
    assert (task.run_at, task.status, task.priority, task.task_schedule) == (NOON, "PENDING", 2, key)
    row = Occurrence.objects.get()
    assert (row.occurs_at, row.verdict, row.origin, row.task_id) == (NOON, "FIRED", "manual", task.pk)
    assert (get(key).tasks_created, get(key).next_run_at) == (0, NOON + HOUR)


def test_paused_and_finished_schedules_can_be_triggered() -> None:
    paused, finished = _later(), create(schedule_x_times=1)[0]
    store.pause([paused], NOON)
    store.fire_due(NOON)
    for key in (paused, finished):
        triggered = store.trigger(key, NOON + SECOND)
        assert triggered is not None
        assert triggered.verdict == "FIRED"


def test_two_triggers_in_the_same_microsecond_are_two_runs() -> None:
    key = _later()
    store.trigger(key, NOON)
    store.trigger(key, NOON)
    assert Task.objects.count() == 2
    assert Occurrence.objects.filter(origin="manual").count() == 2


def test_a_trigger_at_the_moment_of_an_occurrence_does_not_take_its_place() -> None:
    (key,) = create()
    store.trigger(key, NOON)
    store.fire_due(NOON)
    assert sorted(Occurrence.objects.values_list("origin", flat=True)) == ["manual", "schedule"]


def test_a_trigger_with_arguments_of_its_own_leaves_those_of_the_schedule() -> None:
    key = _later(operation="debug.echo", arguments={"value": 1})
    triggered = store.trigger(key, NOON, arguments={"value": 2})
    assert triggered is not None
    assert triggered.task is not None
    assert (triggered.task.arguments, get(key).arguments) == ({"value": 2}, {"value": 1})


@pytest.mark.parametrize("policy", ["skip", "buffer_one", "buffer_all"])
def test_a_trigger_that_obeys_is_skipped_while_a_task_runs(policy: str) -> None:
    key = _later(overlap=policy)
    store.trigger(key, NOON, obey_overlap=True)
    refused = store.trigger(key, NOON + SECOND, obey_overlap=True)
    assert refused is not None
    assert (refused.verdict, refused.occurrence.reason, refused.task) == ("SKIPPED", "overlap", None)
    forced = store.trigger(key, NOON + 2 * SECOND)
    assert forced is not None
    assert forced.verdict == "FIRED"
    finish_all(NOON + 3 * SECOND)
    allowed = store.trigger(key, NOON + 4 * SECOND, obey_overlap=True)
    assert allowed is not None
    assert allowed.verdict == "FIRED"


def test_a_trigger_that_obeys_cancel_previous_cancels_the_task_before_it() -> None:
    key = _later(overlap="cancel_previous")
    first = store.trigger(key, NOON)
    second = store.trigger(key, NOON + SECOND, obey_overlap=True)
    assert first is not None
    assert first.task is not None
    assert second is not None
    assert second.task is not None
    assert Task.objects.get(pk=first.task.pk).status == "CANCELLED"
    assert Task.objects.get(pk=second.task.pk).status == "PENDING"


def test_a_triggered_task_expires_that_long_after_it_was_triggered() -> None:
    key = _later(expires_after_seconds=60)
    store.trigger(key, NOON)
    assert Task.objects.get().expires_at == NOON + MINUTE


def test_a_pause_does_not_take_manual_runs_back() -> None:
    key = _later()
    store.trigger(key, NOON)
    store.trigger(key, NOON)
    store.pause([key], NOON)
    assert Task.objects.count() == 2


def test_the_next_occurrence_can_be_skipped_and_the_one_after_it_fires() -> None:
    key = _later()
    assert store.skip_next(key, NOON) == NOON + HOUR
    assert get(key).next_run_at == NOON + 2 * HOUR
    _fire_until(2)
    assert told(key) == [(1, "requested"), (2, "FIRED")]


def test_skipping_twice_skips_two() -> None:
    key = _later()
    store.skip_next(key, NOON)
    assert store.skip_next(key, NOON) == NOON + 2 * HOUR
    assert get(key).next_run_at == NOON + 3 * HOUR


def test_an_occurrence_that_is_laid_down_ahead_can_still_be_skipped() -> None:
    key = _later()
    now = NOON + HOUR - SECOND
    assert store.fire_due(now).tasks == 1
    assert store.skip_next(key, now) == NOON + HOUR
    assert Task.objects.count() == 0
    assert told(key) == [(1, "requested")]


def test_a_schedule_with_nothing_ahead_has_nothing_to_skip() -> None:
    (key,) = create(schedule_x_times=1)
    store.fire_due(NOON)
    assert store.skip_next(key, NOON + SECOND) is None


def test_the_last_occurrence_skipped_leaves_a_finished_schedule_that_a_restore_revives() -> None:
    key = _later(ends_at=NOON + HOUR)
    store.skip_next(key, NOON)
    assert get(key).next_run_at is None
    store.restore(key, NOON + HOUR, NOON)
    assert (get(key).next_run_at, told(key)) == (NOON + HOUR, [])


def test_a_moved_occurrence_fires_at_its_new_time_only() -> None:
    key = _later(every_x_hours=2)
    store.move(key, NOON + HOUR, NOON + HOUR + 30 * MINUTE, NOON)
    _fire_until(4)
    assert told(key) == [(1.5, "FIRED"), (3, "FIRED")]


def test_an_occurrence_can_be_moved_before_the_next_one() -> None:
    key = _later()
    store.move(key, NOON + 3 * HOUR, NOON + 10 * MINUTE, NOON)
    assert get(key).next_run_at == NOON + 10 * MINUTE
    _fire_until(4)
    assert told(key, step=MINUTE) == [(10, "FIRED"), (60, "FIRED"), (120, "FIRED"), (240, "FIRED")]


def test_an_occurrence_that_is_moved_twice_fires_once() -> None:
    key = _later()
    store.move(key, NOON + HOUR, NOON + HOUR + 10 * MINUTE, NOON)
    store.move(key, NOON + HOUR + 10 * MINUTE, NOON + HOUR + 20 * MINUTE, NOON)
    assert get(key).overrides == {"2030-01-01T13:00:00Z": "2030-01-01T13:20:00Z"}
    _fire_until(1)
    store.fire_due(NOON + HOUR + 20 * MINUTE)
    assert Task.objects.count() == 1


def test_an_occurrence_that_is_moved_back_is_moved_no_more() -> None:
    key = _later()
    store.move(key, NOON + HOUR, NOON + HOUR + MINUTE, NOON)
    store.move(key, NOON + HOUR + MINUTE, NOON + HOUR, NOON)
    assert (get(key).overrides, get(key).next_run_at) == ({}, NOON + HOUR)


def test_two_occurrences_on_one_time_are_one_and_skipped_together() -> None:
    key = _later()
    store.move(key, NOON + HOUR, NOON + 2 * HOUR, NOON)
    assert get(key).next_run_at == NOON + 2 * HOUR
    store.skip_next(key, NOON)
    assert get(key).next_run_at == NOON + 3 * HOUR


def test_a_moved_occurrence_that_is_skipped_when_its_own_time_is_over_has_its_verdict() -> None:
    key = _later()
    store.move(key, NOON + HOUR, NOON + HOUR + 40 * MINUTE, NOON)
    assert store.skip_next(key, NOON + HOUR + MINUTE) == NOON + HOUR + 40 * MINUTE
    assert told(key) == [(1, "requested")]
    assert get(key).next_run_at == NOON + 2 * HOUR


@pytest.mark.parametrize(
    ("occurs_at", "to", "error"),
    [
        (NOON + HOUR + MINUTE, NOON + 2 * HOUR, NoSuchOccurrence),
        (NOON, NOON + 2 * HOUR, NoSuchOccurrence),
        (NOON + HOUR, NOON, InvalidRecurrence),
        (NOON + HOUR, NOON + 367 * DAY, InvalidRecurrence),
        (NOON + HOUR, (NOON + HOUR).replace(tzinfo=None), InvalidRecurrence),
    ],
)
def test_a_move_that_makes_no_sense_is_refused_and_changes_nothing(
    occurs_at: object, to: object, error: type[Exception]
) -> None:
    key = _later()
    with pytest.raises(error):
        store.move(key, occurs_at, to, NOON)  # type: ignore[arg-type]
    assert (get(key).overrides, get(key).revision, get(key).next_run_at) == ({}, 1, NOON + HOUR)


def test_a_skip_and_a_move_can_be_taken_back() -> None:
    key = _later()
    store.skip_next(key, NOON)
    store.move(key, NOON + 2 * HOUR, NOON + 5 * HOUR, NOON)
    store.restore(key, NOON + HOUR, NOON)
    store.restore(key, NOON + 2 * HOUR, NOON)
    assert (get(key).overrides, get(key).next_run_at) == ({}, NOON + HOUR)
    _fire_until(2)
    assert told(key) == [(1, "FIRED"), (2, "FIRED")]


@pytest.mark.parametrize("now", [NOON + HOUR, NOON + 2 * HOUR])
def test_what_has_happened_cannot_be_restored(now: object) -> None:
    key = _later()
    store.skip_next(key, NOON)
    with pytest.raises(NoSuchOccurrence):
        store.restore(key, NOON + HOUR, now)  # type: ignore[arg-type]


def test_what_is_neither_skipped_nor_moved_cannot_be_restored() -> None:
    with pytest.raises(NoSuchOccurrence):
        store.restore(_later(), NOON + HOUR, NOON)


def test_overrides_that_are_over_are_forgotten_and_leave_a_verdict() -> None:
    key = _later()
    store.move(key, NOON + HOUR, NOON + 90 * MINUTE, NOON)
    _fire_until(2)
    store.update(key, {"priority": 1}, NOON + 3 * HOUR)
    assert get(key).overrides == {}
    assert told(key)[:2] == [(1, "requested"), (1.5, "FIRED")]


def test_a_schedule_keeps_a_thousand_overrides_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overrides, "MOST_OVERRIDES", 3)
    key = _later()
    for _ in range(3):
        store.skip_next(key, NOON)
    with pytest.raises(TooManyOverrides):
        store.skip_next(key, NOON)
    assert (len(get(key).overrides), get(key).next_run_at) == (3, NOON + 4 * HOUR)


def test_a_new_rule_forgets_skips_of_times_that_it_does_not_have() -> None:
    key = _later()
    store.skip_next(key, NOON)
    store.skip_next(key, NOON)
    store.update(key, {"every_x_hours": 1, "starts_at": NOON + 2 * HOUR}, NOON)
    assert get(key).overrides == {"2030-01-01T14:00:00Z": None}


def test_actions_on_an_unknown_schedule_change_nothing_and_say_so() -> None:
    unknown = new_id()
    assert store.trigger(unknown, NOON) is None
    assert store.skip_next(unknown, NOON) is None
    assert store.move(unknown, NOON, NOON + HOUR, NOON) is None
    assert store.restore(unknown, NOON, NOON) is None


def test_a_paused_schedule_can_be_prepared_and_stays_paused() -> None:
    key = _later()
    store.pause([key], NOON)
    assert store.skip_next(key, NOON) == NOON + HOUR
    schedule = get(key)
    assert (schedule.next_run_at, schedule.due_at, schedule.paused_at) == (NOON + 2 * HOUR, None, NOON)


@pytest.mark.django_db(transaction=True)
def test_a_delete_and_triggers_at_once_leave_no_row_without_a_schedule() -> None:
    keys = [_later() for _ in range(10)]

    def delete() -> int:
        return sum(store.delete(key, NOON) for key in keys)

    def trigger() -> int:
        return sum(store.trigger(key, NOON) is not None for key in reversed(keys))

    deleted, triggered = at_once([delete, trigger])
    assert (deleted, Occurrence.objects.count()) == (10, 0)
    assert Task.objects.count() == triggered


@pytest.mark.django_db(transaction=True)
def test_changes_and_ticks_at_once_give_each_occurrence_one_verdict_and_one_task() -> None:
    keys = create(20, every_x_hours=None, every_x_seconds=1, catch_up="all")

    def tick() -> None:
        for second in range(6):
            store.fire_due(NOON + second * SECOND, limit=7)

    def change() -> None:
        for second in range(6):
            for key in keys:
                store.update(key, {"priority": second + 1}, NOON + second * SECOND)

    at_once([tick, change])
    while store.fire_due(NOON + 6 * SECOND).schedules:
        pass
    for schedule in TaskSchedule.objects.filter(pk__in=keys):
        rows = Occurrence.objects.filter(task_schedule=schedule, task_id__isnull=False)
        tasks = Task.objects.filter(task_schedule=schedule.pk).values_list("task_id", flat=True)
        assert set(tasks) == {row.task_id for row in rows}
        assert schedule.tasks_created == len(tasks)
        assert {NOON + second * SECOND for second in range(7)} <= {row.occurs_at for row in rows}


def test_of_a_paused_schedule_the_next_occurrence_is_one_that_is_still_to_come() -> None:
    key = _later()
    store.pause([key], NOON)
    assert store.skip_next(key, NOON + 90 * MINUTE) == NOON + 2 * HOUR
    store.resume([key], NOON + 90 * MINUTE)
    _fire_until(3)
    assert told(key) == [(1, "paused"), (2, "requested"), (3, "FIRED")]
