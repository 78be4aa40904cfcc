"""Creating, changing, pausing, resuming and deleting schedules, with a driven clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from access_app.principals import DEFAULT_PROJECT
from schedules_app import store
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.queries import ScheduleStatus, schedules_of, status_of, with_status
from schedules_app.records import NewSchedule
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.store.ticking import next_firing
from tasks_app.ids import new_id
from tasks_app.models import Task

pytestmark = pytest.mark.django_db

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def _create(now: datetime = NOON, **fields: Any) -> UUID:
    columns = {"operation": "4+7", "max_attempts": 3, "timeout_seconds": 30.0, "every_x_hours": 1, **fields}
    [schedule] = store.create([NewSchedule(**columns)], now)
    return schedule.pk


def _get(key: UUID) -> TaskSchedule:
    return TaskSchedule.objects.get(pk=key)


def _ledger(key: UUID) -> list[tuple[datetime, str, str]]:
    rows = Occurrence.objects.filter(task_schedule_id=key).order_by("occurs_at")
    return list(rows.values_list("occurs_at", "verdict", "reason"))


def test_the_first_occurrence_is_now_or_the_start_that_is_given() -> None:
    assert _get(_create()).next_run_at == NOON
    assert _get(_create(starts_at=NOON + DAY)).next_run_at == NOON + DAY


def test_a_start_that_is_only_just_past_is_still_the_first_occurrence() -> None:
    assert _get(_create(starts_at=NOON - timedelta(seconds=2))).next_run_at == NOON - timedelta(seconds=2)


def test_a_start_far_in_the_past_is_an_anchor_and_fires_nothing_of_the_past() -> None:
    key = _create(starts_at=NOON - 400 * DAY - timedelta(minutes=20))
    assert _get(key).next_run_at == NOON + timedelta(minutes=40)
    assert store.fire_due(NOON).schedules == 0
    assert _ledger(key) == []


def test_the_next_firing_is_told_in_time() -> None:
    _create(every_x_hours=2, starts_at=NOON + HOUR)
    paused = _create(starts_at=NOON + timedelta(minutes=30))
    store.pause([paused])
    assert next_firing(NOON, NOON + DAY) == NOON + HOUR
    assert next_firing(NOON, NOON + timedelta(minutes=59)) is None


def test_a_schedule_without_any_occurrence_ahead_is_refused() -> None:
    with pytest.raises(InvalidRecurrence) as refusal:
        _create(starts_at=NOON - 2 * DAY, ends_at=NOON - DAY)
    assert refusal.value.field == "ends_at"
    assert not schedules_of(DEFAULT_PROJECT).exists()


def test_nothing_to_create_is_no_error() -> None:
    assert store.create([], NOON) == []


def test_a_new_rule_takes_effect_from_now_and_never_fires_the_past() -> None:
    key = _create()
    store.fire_due(NOON)
    now = NOON + 5 * HOUR + timedelta(minutes=10)
    changed = store.update(key, {"every_x_hours": 2}, now)
    assert changed is not None
    assert changed.next_run_at == NOON + 6 * HOUR
    assert store.fire_due(now).schedules == 0


def test_occurrences_that_a_change_of_the_rule_overtook_are_recorded() -> None:
    key = _create()
    store.update(key, {"every_x_hours": None, "every_x_days": 1}, NOON + HOUR + timedelta(seconds=1))
    assert _ledger(key) == [
        (NOON, "SKIPPED", "rule_changed"),
        (NOON + HOUR, "SKIPPED", "rule_changed"),
    ]
    assert _get(key).next_run_at == NOON + DAY
    assert not Task.objects.exists()


def test_a_change_of_the_template_moves_no_occurrence() -> None:
    key = _create()
    changed = store.update(key, {"operation": "1+1", "priority": 0}, NOON + timedelta(seconds=1))
    assert changed is not None
    assert (changed.next_run_at, changed.revision) == (NOON, 2)
    store.fire_due(NOON + timedelta(seconds=1))
    assert Task.objects.get().operation == "1+1"
    assert Occurrence.objects.get().revision == 2


def test_a_change_that_changes_nothing_is_no_revision() -> None:
    key = _create()
    changed = store.update(key, {"priority": 5, "every_x_hours": 1}, NOON + HOUR)
    assert changed is not None
    assert (changed.revision, changed.updated_at, changed.next_run_at) == (1, NOON, NOON)


def test_a_rule_that_cannot_be_followed_changes_nothing() -> None:
    key = _create()
    with pytest.raises(InvalidRecurrence):
        store.update(key, {"every_x_hours": None, "priority": 1}, NOON + HOUR)
    schedule = _get(key)
    assert (schedule.every_x_hours, schedule.priority, schedule.revision) == (1, 5, 1)
    assert _ledger(key) == []


def test_a_start_moved_to_null_is_now() -> None:
    key = _create(starts_at=NOON + DAY)
    changed = store.update(key, {"starts_at": None}, NOON + HOUR)
    assert changed is not None
    assert (changed.starts_at, changed.next_run_at) == (NOON + HOUR, NOON + HOUR)


def test_a_start_moved_to_only_just_past_is_still_the_first_occurrence() -> None:
    key = _create(starts_at=NOON + DAY)
    start = NOON + HOUR - timedelta(seconds=2)
    changed = store.update(key, {"starts_at": start}, NOON + HOUR)
    assert changed is not None
    assert changed.next_run_at == start


def test_a_finished_schedule_goes_on_from_now_with_a_higher_limit() -> None:
    key = _create(schedule_x_times=1)
    store.fire_due(NOON)
    assert status_of(_get(key)) is ScheduleStatus.FINISHED
    store.update(key, {"schedule_x_times": 2}, NOON + 3 * HOUR + timedelta(minutes=1))
    assert _get(key).next_run_at == NOON + 4 * HOUR
    assert _ledger(key) == [(NOON, "FIRED", "")]


def test_a_limit_at_or_below_the_tasks_so_far_finishes_a_schedule() -> None:
    key = _create()
    store.fire_due(NOON)
    store.update(key, {"schedule_x_times": 1}, NOON)
    assert status_of(_get(key)) is ScheduleStatus.FINISHED
    assert store.fire_due(NOON + HOUR).schedules == 0


def test_a_new_limit_alone_leaves_the_due_occurrence_alone() -> None:
    key = _create()
    store.update(key, {"schedule_x_times": 5}, NOON + timedelta(seconds=1))
    assert _get(key).next_run_at == NOON


def test_an_end_moved_to_the_past_finishes_a_schedule() -> None:
    key = _create()
    store.fire_due(NOON)
    store.update(key, {"ends_at": NOON}, NOON + timedelta(minutes=1))
    assert status_of(_get(key)) is ScheduleStatus.FINISHED


def test_a_broken_rule_can_be_mended() -> None:
    key = _create()
    TaskSchedule.objects.filter(pk=key).update(timezone="Mars/Olympus")
    changed = store.update(key, {"timezone": "UTC"}, NOON + timedelta(minutes=1))
    assert changed is not None
    assert changed.next_run_at == NOON + HOUR


def test_only_columns_of_the_template_and_the_rule_can_be_changed() -> None:
    with pytest.raises(TypeError, match="tasks_created"):
        store.update(_create(), {"tasks_created": 0}, NOON)


def test_a_paused_schedule_fires_nothing() -> None:
    key = _create()
    assert store.pause([key], NOON, note="maintenance") == {key}
    assert store.fire_due(NOON + 5 * HOUR).schedules == 0
    schedule = _get(key)
    assert (status_of(schedule), schedule.paused_at, schedule.pause_note) == ("PAUSED", NOON, "maintenance")


def test_pausing_twice_keeps_the_first_time() -> None:
    key = _create()
    store.pause([key], NOON)
    assert store.pause([key], NOON + HOUR) == set()
    assert _get(key).paused_at == NOON


def test_a_finished_schedule_cannot_be_paused() -> None:
    key = _create(schedule_x_times=1)
    store.fire_due(NOON)
    assert store.pause([key], NOON) == set()


def test_a_resumed_schedule_goes_on_with_its_next_occurrence_and_records_the_pause() -> None:
    key = _create()
    store.fire_due(NOON)
    store.pause([key], NOON + timedelta(minutes=1))
    back = NOON + 2 * HOUR + timedelta(minutes=30)
    assert store.resume([key], back) == {key}
    schedule = _get(key)
    assert (schedule.next_run_at, schedule.paused_at) == (NOON + 3 * HOUR, None)
    assert store.fire_due(back).schedules == 0
    assert _ledger(key) == [
        (NOON, "FIRED", ""),
        (NOON + HOUR, "SKIPPED", "paused"),
        (NOON + 2 * HOUR, "SKIPPED", "paused"),
    ]


def test_an_occurrence_at_the_moment_of_resuming_is_fired() -> None:
    key = _create()
    store.pause([key], NOON)
    store.resume([key], NOON + HOUR)
    assert _get(key).next_run_at == NOON + HOUR


def test_resuming_what_is_not_paused_changes_nothing() -> None:
    key = _create()
    assert store.resume([key], NOON + HOUR) == set()
    assert _get(key).next_run_at == NOON


def test_a_schedule_whose_end_passed_in_its_pause_is_finished_when_resumed() -> None:
    key = _create(ends_at=NOON + HOUR)
    store.pause([key], NOON)
    store.resume([key], NOON + DAY)
    assert status_of(_get(key)) is ScheduleStatus.FINISHED


def test_a_deleted_schedule_takes_its_ledger_along_and_leaves_its_tasks() -> None:
    key = _create()
    store.fire_due(NOON)
    assert store.delete(key, NOON) is True
    assert not Occurrence.objects.exists()
    assert Task.objects.get().task_schedule == key
    assert store.fire_due(NOON + HOUR).schedules == 0


def test_verbs_on_an_unknown_schedule_change_nothing_and_say_so() -> None:
    unknown = new_id()
    assert store.delete(unknown) is False
    assert store.update(unknown, {"priority": 1}, NOON) is None
    assert store.pause([unknown], NOON) == set()
    assert store.resume([unknown], NOON) == set()


def test_each_schedule_has_exactly_one_status() -> None:
    active, paused, finished = _create(), _create(), _create(schedule_x_times=1)
    store.fire_due(NOON)
    store.pause([paused], NOON)
    found = {
        status: with_status(schedules_of(DEFAULT_PROJECT), [status]).get().pk for status in ScheduleStatus
    }
    assert found == {"ACTIVE": active, "PAUSED": paused, "FINISHED": finished}
    assert all(status_of(_get(key)) is status for status, key in found.items())


@pytest.mark.parametrize(
    "columns",
    [
        {"every_x_hours": None},
        {"every_x_hours": 0},
        {"every_x_days": 0},
        {"ends_at": NOON - DAY},
        {"max_attempts": 0},
        {"priority": 10},
        {"schedule_x_times": 0},
    ],
)
def test_the_database_itself_refuses_a_schedule_that_would_stop_a_tick(columns: dict[str, Any]) -> None:
    key = _create()
    with pytest.raises(IntegrityError), transaction.atomic():
        TaskSchedule.objects.filter(pk=key).update(**columns)


@pytest.mark.parametrize(
    "columns",
    [
        {"verdict": "MAYBE"},
        {"verdict": "FIRED", "task_id": None},
        {"verdict": "SKIPPED"},
        {"count": 2},
        {"last_occurs_at": NOON + HOUR},
    ],
)
def test_the_database_itself_refuses_a_verdict_that_makes_no_sense(columns: dict[str, Any]) -> None:
    _create()
    store.fire_due(NOON)
    with pytest.raises(IntegrityError), transaction.atomic():
        Occurrence.objects.update(**columns)
