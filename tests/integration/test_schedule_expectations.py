"""By when a success is due, and schedules that are overdue."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schedules_app import store, tasks
from schedules_app.models import TaskSchedule
from tasks_app import store as task_store
from tests.integration.schedule_outcomes import (
    begin_anew,  # noqa: F401 - a fixture for every test here
    settle_all,
)
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, finish_all, get

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


MORNING = datetime(2030, 1, 2, 6, 30, tzinfo=UTC)


def _expecting(**fields: Any) -> UUID:
    """A schedule of each midnight, created at noon, that has to have succeeded by half past six."""
    columns = {"every_x_hours": None, "every_x_days": 1, "starts_at": NOON + 12 * HOUR}
    (key,) = create(**{**columns, "expect_success_by": "06:30", **fields})
    return key


def _overdue(key: UUID) -> datetime | None:
    return get(key).success_overdue_since


def test_a_schedule_without_success_by_its_time_is_overdue_since_then_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = _expecting()
    assert get(key).success_due_at == MORNING
    assert store.check_success(MORNING - SECOND) == 0
    with caplog.at_level(logging.WARNING):
        assert store.check_success(MORNING) == 1
        store.check_success(MORNING + DAY)
    assert (_overdue(key), get(key).success_due_at) == (MORNING, MORNING + 2 * DAY)
    assert [str(key) in record.message for record in caplog.records] == [True]


def test_a_success_in_time_keeps_it_quiet_and_a_late_one_makes_it_so() -> None:
    key = _expecting()
    store.fire_due(NOON + 12 * HOUR)
    finish_all(NOON + 12 * HOUR + MINUTE)
    settle_all()
    store.check_success(MORNING)
    assert _overdue(key) is None
    store.check_success(MORNING + DAY)
    assert _overdue(key) == MORNING + DAY
    store.fire_due(MORNING + DAY + HOUR)
    finish_all(MORNING + DAY + HOUR)
    settle_all()
    assert _overdue(key) is None


def test_a_success_that_the_ledger_does_not_know_yet_counts() -> None:
    key = _expecting()
    store.fire_due(NOON + 12 * HOUR)
    finish_all(NOON + 12 * HOUR + MINUTE)
    store.check_success(MORNING)
    assert _overdue(key) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"excluded_dates": ["2030-01-02"]},
        {"starts_at": MORNING + SECOND},
        {"starts_at": MORNING},
    ],
)
def test_a_day_without_an_occurrence_expects_no_success(fields: dict[str, Any]) -> None:
    key = _expecting(**fields)
    store.check_success(MORNING)
    assert (_overdue(key), get(key).success_due_at) == (None, MORNING + DAY)


def test_of_a_paused_schedule_nothing_is_expected() -> None:
    key = _expecting()
    store.pause([key], NOON)
    store.check_success(MORNING)
    assert _overdue(key) is None


def test_an_occurrence_that_a_pause_left_out_is_not_expected_after_it() -> None:
    key = _expecting()
    store.pause([key], NOON)
    store.resume([key], MORNING - HOUR)
    store.check_success(MORNING)
    assert _overdue(key) is None


def test_a_time_that_a_change_of_the_rule_put_into_the_past_is_not_expected() -> None:
    key = _expecting(starts_at=MORNING + HOUR)
    store.update(key, {"starts_at": MORNING - 2 * HOUR}, MORNING - HOUR)
    store.check_success(MORNING)
    assert _overdue(key) is None


def test_an_occurrence_that_was_fired_or_missed_is_expected_to_succeed() -> None:
    fired, missed = _expecting(), _expecting(catch_up="skip")
    store.fire_due(MORNING - HOUR)
    store.check_success(MORNING)
    assert [get(key).last_run_at is None for key in (fired, missed)] == [False, True]
    assert (_overdue(fired), _overdue(missed)) == (MORNING, MORNING)


def test_of_a_schedule_that_finished_long_ago_nothing_is_expected() -> None:
    key = _expecting(schedule_x_times=1)
    store.fire_due(NOON + 12 * HOUR)
    finish_all(NOON + 13 * HOUR)
    store.check_success(MORNING)
    store.check_success(MORNING + DAY)
    assert _overdue(key) is None


def test_the_deadline_follows_the_wall_clock_of_the_schedules_zone_through_the_change_of_clocks() -> None:
    winter, summer = datetime(2030, 3, 30, 5, 30, tzinfo=UTC), datetime(2030, 3, 31, 4, 30, tzinfo=UTC)
    key = _expecting(timezone="Europe/Berlin")
    TaskSchedule.objects.filter(pk=key).update(success_due_at=winter)
    store.check_success(winter)
    assert get(key).success_due_at == summer


def test_a_deadline_in_a_gap_is_as_long_after_midnight_as_on_other_days() -> None:
    before = datetime(2030, 3, 30, 1, 30, tzinfo=UTC)
    key = _expecting(timezone="Europe/Berlin", expect_success_by="02:30")
    TaskSchedule.objects.filter(pk=key).update(success_due_at=before)
    store.check_success(before)
    assert get(key).success_due_at == before + DAY


def test_after_an_outage_only_the_latest_deadline_counts() -> None:
    key = _expecting()
    assert store.check_success(MORNING + 5 * DAY + HOUR) == 1
    assert (_overdue(key), get(key).success_due_at) == (MORNING + 5 * DAY, MORNING + 6 * DAY)


def test_an_expectation_can_be_changed_and_given_up() -> None:
    key = _expecting()
    store.check_success(MORNING)
    store.update(key, {"expect_success_by": "08:00"}, MORNING + MINUTE)
    assert (_overdue(key), get(key).success_due_at) == (None, MORNING + 90 * MINUTE)
    store.update(key, {"expect_success_by": None}, MORNING + MINUTE)
    assert get(key).success_due_at is None
    assert store.check_success(MORNING + 10 * DAY) == 0


def test_an_expectation_that_cannot_be_followed_keeps_no_other_from_its_check() -> None:
    broken, healthy = _expecting(), _expecting()
    TaskSchedule.objects.filter(pk=broken).update(timezone="Mars/Olympus")
    assert store.check_success(MORNING) == 2
    assert (_overdue(broken), _overdue(healthy)) == (None, MORNING)
    assert store.check_success(MORNING) == 0


def test_the_settling_chore_does_all_that_it_has_to(monkeypatch: pytest.MonkeyPatch) -> None:
    key = _expecting()
    monkeypatch.setattr(task_store, "database_now", lambda: MORNING)
    TaskSchedule.objects.filter(pk=key).update(due_at=None)
    store.trigger(key, NOON - DAY)
    finish_all(NOON - DAY)
    tasks.settle()
    assert get(key).due_at is not None
    assert (get(key).last_success_at, _overdue(key)) == (NOON - DAY, MORNING)
