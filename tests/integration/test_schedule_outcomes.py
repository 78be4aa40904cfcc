"""How tasks ended, in the ledger and in the schedules' counters; expectations, mending and pruning."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules_app import store, tasks
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.store import outcomes, upkeep
from tasks_app import store as task_store
from tasks_app.lifecycle import Outcome, Status
from tasks_app.models import Task
from tests.integration.helpers import at_once, claim, ending
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, finish_all, get

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "_settler", outcomes.Settler())
    monkeypatch.setattr(upkeep, "_pruner", upkeep.Pruner())


def _settle_all() -> int:
    return sum(iter(lambda: store.settle(), 0))


def _run(key: UUID, hour: int, status: Status) -> None:
    """Fire the occurrence of an hour after noon, and let its task end a minute later."""
    store.fire_due(NOON + hour * HOUR)
    now = NOON + hour * HOUR + MINUTE
    if status is Status.CANCELLED:
        task_store.cancel(Task.objects.filter(status="PENDING").values_list("task_id", flat=True), now)
        return
    endings = [ending(item, status, outcome=Outcome(status)) for item in claim(now=now)]
    assert len(task_store.finish(endings, now)) == 1


def _outcomes(key: UUID) -> list[tuple[str, datetime | None]]:
    rows = Occurrence.objects.filter(task_schedule_id=key).order_by("occurs_at")
    return list(rows.values_list("task_status", "task_finished_at"))


def _health(key: UUID) -> tuple[int, datetime | None, datetime | None]:
    schedule = get(key)
    return schedule.consecutive_failures, schedule.last_success_at, schedule.last_failure_at


def test_the_ledger_learns_how_each_task_ended_and_outlives_it() -> None:
    (key,) = create()
    _run(key, 0, Status.SUCCESS)
    _run(key, 1, Status.ERROR)
    assert _outcomes(key) == [("", None), ("", None)]
    assert store.settle() == 2
    Task.objects.all().delete()
    assert store.settle() == 0
    assert _outcomes(key) == [("SUCCESS", NOON + MINUTE), ("ERROR", NOON + HOUR + MINUTE)]


def test_a_task_that_has_not_ended_keeps_its_row_open() -> None:
    (key,) = create()
    store.fire_due(NOON)
    assert store.settle() == 0
    assert (_outcomes(key), _health(key)) == ([("", None)], (0, None, None))


def test_a_task_that_was_deleted_before_anybody_looked_is_noted_as_such_and_counts_for_nothing() -> None:
    (key,) = create()
    store.fire_due(NOON)
    Task.objects.all().delete()
    assert store.settle() == 1
    assert (_outcomes(key), _health(key)) == ([("DELETED", None)], (0, None, None))


def test_failures_in_a_row_are_counted_in_order_of_finishing_and_a_success_ends_the_row() -> None:
    (key,) = create()
    for hour, status in enumerate([Status.ERROR, Status.SUCCESS, Status.ERROR, Status.ERROR]):
        _run(key, hour, status)
    _settle_all()
    assert _health(key) == (2, NOON + HOUR + MINUTE, NOON + 3 * HOUR + MINUTE)
    _run(key, 4, Status.SUCCESS)
    _settle_all()
    assert _health(key)[0] == 0


def test_a_task_that_expired_is_a_failure() -> None:
    (key,) = create(expires_after_seconds=60)
    store.fire_due(NOON)
    task_store.expire(NOON + 2 * MINUTE)
    _settle_all()
    assert _health(key) == (1, None, NOON + 2 * MINUTE)


def test_a_cancelled_task_is_neither_failure_nor_success() -> None:
    (key,) = create()
    _run(key, 0, Status.ERROR)
    _run(key, 1, Status.CANCELLED)
    _settle_all()
    assert _health(key) == (1, None, NOON + MINUTE)
    assert _outcomes(key)[1][0] == "CANCELLED"


def test_a_success_that_is_settled_after_a_later_failure_does_not_hide_it() -> None:
    (key,) = create()
    _run(key, 0, Status.SUCCESS)
    _run(key, 1, Status.ERROR)
    first, second = Occurrence.objects.order_by("occurs_at")
    Occurrence.objects.filter(pk=first.pk).update(task_status="SUCCESS")
    _settle_all()
    Occurrence.objects.filter(pk=first.pk).update(task_status="")
    _settle_all()
    assert second.task_id is not None
    assert _health(key) == (1, NOON + MINUTE, NOON + HOUR + MINUTE)


def test_manual_runs_and_backfills_count_too() -> None:
    (key,) = create(now=NOON + 10 * HOUR + MINUTE, starts_at=NOON)
    now = NOON + 10 * HOUR + MINUTE
    store.trigger(key, now)
    store.backfill(key, NOON, NOON, 5, now)
    store.work_backfills(now)
    finish_all(now + MINUTE)
    assert store.settle() == 2
    assert _health(key) == (0, now + MINUTE, None)


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
    assert _health(kept)[1] == NOON + MINUTE


@pytest.mark.django_db(transaction=True)
def test_two_settlers_at_once_count_each_end_once() -> None:
    keys = create(60)
    store.fire_due(NOON)
    endings = [ending(item, Status.ERROR, outcome=Outcome.ERROR) for item in claim(now=NOON)]
    task_store.finish(endings, NOON + MINUTE)
    settlers = [outcomes.Settler(), outcomes.Settler()]
    counts = at_once([settler.look for settler in settlers])
    settled = sum(counts) + _settle_all()
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
    _settle_all()
    while store.fire_due(NOON + HOUR).schedules:
        pass
    rows = set(TaskSchedule.objects.values_list("tasks_created", "last_success_at", "next_run_at"))
    assert rows == {(2, NOON + MINUTE, NOON + 2 * HOUR)}
    assert len(keys) == 30


# Expectations

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
    _settle_all()
    store.check_success(MORNING)
    assert _overdue(key) is None
    store.check_success(MORNING + DAY)
    assert _overdue(key) == MORNING + DAY
    store.fire_due(MORNING + DAY + HOUR)
    finish_all(MORNING + DAY + HOUR)
    _settle_all()
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


# Upkeep


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
        _run(key, hour, Status.SUCCESS)
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


def test_the_settling_chore_does_all_that_it_has_to(monkeypatch: pytest.MonkeyPatch) -> None:
    key = _expecting()
    monkeypatch.setattr(task_store, "database_now", lambda: MORNING)
    TaskSchedule.objects.filter(pk=key).update(due_at=None)
    store.trigger(key, NOON - DAY)
    finish_all(NOON - DAY)
    tasks.settle()
    assert get(key).due_at is not None
    assert (get(key).last_success_at, _overdue(key)) == (NOON - DAY, MORNING)


def test_the_ledger_is_pruned_as_its_retention_says(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    (key,) = create()
    _run(key, 0, Status.SUCCESS)
    monkeypatch.setattr(task_store, "database_now", lambda: NOON + 10 * DAY)
    for days, left in ((0, 1), (11, 1), (9, 0)):
        settings.CONFIG = settings.CONFIG.model_copy(update={"retention_occurrences_days": days})
        tasks.prune_ledger()
        assert Occurrence.objects.count() == left
