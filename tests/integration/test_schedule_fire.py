"""The tick: each occurrence gets one verdict and at most one task, whatever happens around it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from scheduler_service import logs
from schedules_app import sql, store, tasks
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.queries import oldest_due_at, status_of
from schedules_app.records import Fired
from tasks_app import portions
from tasks_app import store as task_store
from tasks_app.models import Task
from tests.integration.helpers import at_once, new_task
from tests.integration.schedules import HOUR, NOON, create, get, ledger, tasks_per_schedule
from tests.support import registered_operation

pytestmark = pytest.mark.django_db


def test_a_due_schedule_gives_a_task_like_its_template_as_of_the_nominal_time(rings: list[str]) -> None:
    (key,) = create(priority=2, queue="reports", tags=["a"], operation="2*3", every_x_days=1)
    assert store.fire_due(NOON + timedelta(seconds=1)) == Fired(schedules=1, tasks=1)
    task = Task.objects.get()
    assert (task.operation, task.priority, task.queue, task.tags) == ("2*3", 2, "reports", ["a"])
    assert (task.run_at, task.task_schedule, task.status) == (NOON, key, "PENDING")
    assert (task.max_attempts, task.timeout_seconds) == (3, 30.0)


def test_a_fired_occurrence_stands_in_the_ledger_with_its_task() -> None:
    (key,) = create()
    store.fire_due(NOON)
    row = Occurrence.objects.get()
    assert (row.task_schedule_id, row.occurs_at, row.verdict, row.revision) == (key, NOON, "FIRED", 1)
    assert row.task_id == Task.objects.get().task_id


def test_firing_moves_the_schedule_on_by_its_rule_not_by_the_clock() -> None:
    (key,) = create()
    store.fire_due(NOON + timedelta(seconds=40))
    schedule = get(key)
    assert (schedule.next_run_at, schedule.last_run_at, schedule.tasks_created) == (NOON + HOUR, NOON, 1)
    assert schedule.updated_at == NOON


def test_nothing_is_fired_before_its_time(settings: Any) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"tick_ahead_seconds": 0})
    create(starts_at=NOON + HOUR)
    assert store.fire_due(NOON + HOUR - timedelta.resolution) == Fired()
    assert store.fire_due(NOON + HOUR) == Fired(schedules=1, tasks=1)


def test_a_second_tick_at_the_same_time_fires_nothing() -> None:
    create()
    store.fire_due(NOON)
    assert store.fire_due(NOON) == Fired()
    assert Task.objects.count() == 1


def test_a_task_fired_late_says_so_in_the_ledger() -> None:
    (key,) = create()
    store.fire_due(NOON + timedelta(seconds=61))
    assert ledger(key) == [(NOON, "LATE")]


def test_after_an_outage_the_latest_occurrence_is_fired_and_the_others_are_recorded() -> None:
    (key,) = create()
    assert store.fire_due(NOON + 3 * HOUR + timedelta(minutes=30)) == Fired(schedules=1, tasks=1, skipped=3)
    verdicts = [(NOON + n * HOUR, "SKIPPED") for n in range(3)]
    assert ledger(key) == [*verdicts, (NOON + 3 * HOUR, "LATE")]
    assert set(Occurrence.objects.filter(verdict="SKIPPED").values_list("reason", flat=True)) == {"missed"}


def test_a_year_of_downtime_gives_ten_rows_that_account_for_every_occurrence() -> None:
    (key,) = create()
    year = timedelta(days=365)
    assert store.fire_due(NOON + year) == Fired(schedules=1, tasks=1, skipped=8760)
    rows = Occurrence.objects.filter(task_schedule_id=key)
    assert sum(rows.values_list("count", flat=True)) == 8761
    assert rows.count() == 11
    run = rows.get(count__gt=1)
    assert (run.occurs_at, run.last_occurs_at) == (NOON, NOON + year - 10 * HOUR)


def test_a_schedule_of_three_times_gives_three_tasks_and_is_then_finished() -> None:
    (key,) = create(schedule_x_times=3)
    clock = NOON
    for _ in range(10):
        store.fire_due(clock)
        store.fire_due(clock)
        clock += timedelta(minutes=30)
    schedule = get(key)
    assert tasks_per_schedule() == {key: 3}
    assert ledger(key) == [(NOON + n * HOUR, "FIRED") for n in range(3)]
    assert (status_of(schedule), schedule.next_run_at, schedule.tasks_created) == ("FINISHED", None, 3)


def test_skipped_occurrences_do_not_count_as_times() -> None:
    (key,) = create(schedule_x_times=2)
    store.fire_due(NOON + 5 * HOUR)
    assert get(key).next_run_at == NOON + 6 * HOUR
    store.fire_due(NOON + 6 * HOUR)
    assert tasks_per_schedule() == {key: 2}
    assert get(key).next_run_at is None


def test_the_last_occurrence_is_the_one_at_the_end() -> None:
    (key,) = create(ends_at=NOON + HOUR)
    store.fire_due(NOON)
    store.fire_due(NOON + HOUR)
    assert tasks_per_schedule() == {key: 2}
    assert status_of(get(key)) == "FINISHED"


def test_the_longest_due_schedules_go_first() -> None:
    late = create(2, now=NOON + timedelta(seconds=5))
    early = create(2)
    assert store.fire_due(NOON + timedelta(seconds=9), limit=2).schedules == 2
    assert set(tasks_per_schedule()) == set(early)
    assert store.fire_due(NOON + timedelta(seconds=9), limit=2).schedules == 2
    assert set(tasks_per_schedule()) == {*early, *late}


def test_a_nominal_time_with_a_verdict_is_not_fired_again_by_a_new_rule() -> None:
    """The clock was set back, or an edit brought the same time again."""
    (key,) = create()
    store.fire_due(NOON)
    TaskSchedule.objects.filter(pk=key).update(next_run_at=NOON, due_at=NOON)
    assert store.fire_due(NOON + timedelta(seconds=2)) == Fired(schedules=1, tasks=0)
    assert get(key).next_run_at == NOON + HOUR
    assert get(key).tasks_created == 1


def test_a_time_that_had_its_verdict_does_not_use_up_the_last_task() -> None:
    (key,) = create(schedule_x_times=2)
    store.fire_due(NOON)
    TaskSchedule.objects.filter(pk=key).update(next_run_at=NOON, due_at=NOON)
    store.fire_due(NOON + timedelta(seconds=2))
    assert get(key).next_run_at == NOON + HOUR
    store.fire_due(NOON + HOUR)
    assert tasks_per_schedule() == {key: 2}


def test_a_schedule_that_cannot_be_followed_is_set_aside_and_holds_up_nobody() -> None:
    (broken,) = create(now=NOON - timedelta(seconds=30))
    TaskSchedule.objects.filter(pk=broken).update(timezone="Mars/Olympus")
    (healthy,) = create()
    store.fire_due(NOON, limit=1)
    store.fire_due(NOON, limit=1)
    assert tasks_per_schedule() == {healthy: 1}
    schedule = get(broken)
    assert schedule.paused_at == NOON
    assert "timezone" in schedule.pause_note


def test_the_log_line_of_a_schedule_that_is_set_aside_names_it(caplog: pytest.LogCaptureFixture) -> None:
    (broken,) = create(now=NOON - timedelta(seconds=30))
    TaskSchedule.objects.filter(pk=broken).update(timezone="Mars/Olympus")
    store.fire_due(NOON)
    assert [(record.levelname, logs.fields_of(record)) for record in caplog.records] == [
        ("ERROR", {"schedule_id": broken})
    ]


def test_a_vanished_operation_still_gives_its_task_and_holds_up_nobody() -> None:
    """The task then fails where everybody looks for failures."""
    vanished = create(operation="reports.gone", arguments={"unknown": 1})
    healthy = create()
    store.fire_due(NOON)
    assert tasks_per_schedule() == Counter([*vanished, *healthy])


def test_a_task_waits_between_attempts_as_its_operation_says() -> None:
    with registered_operation(lambda: None, "test.patient", retry_base_seconds=7.0, retry_cap_seconds=70.0):
        create(operation="test.patient")
        store.fire_due(NOON)
    task = Task.objects.get()
    assert (task.retry_base_seconds, task.retry_cap_seconds) == (7.0, 70.0)


@pytest.mark.parametrize(
    ("target", "name"),
    [(sql, "recorded"), (sql, "advance"), (task_store, "lay_down"), (sql, "record")],
)
def test_a_slice_that_dies_between_two_statements_leaves_nothing_and_is_done_again(
    monkeypatch: pytest.MonkeyPatch, target: Any, name: str
) -> None:
    keys = create(3)

    def die(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(target, name, die)
        with pytest.raises(RuntimeError), transaction.atomic():
            store.fire_due(NOON)
    assert (Task.objects.count(), Occurrence.objects.count()) == (0, 0)
    store.fire_due(NOON)
    assert tasks_per_schedule() == Counter(keys)


@pytest.mark.parametrize("change", [{"next_run_at": NOON + HOUR}, {"next_run_at": None}, {"paused_at": NOON}])
def test_a_schedule_that_was_changed_since_it_was_read_is_not_fired(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    (key,) = create()
    plain: Callable[..., Any] = sql.recorded

    def overtaken(pairs: Any) -> Any:
        TaskSchedule.objects.filter(pk=key).update(**change)
        return plain(pairs)

    monkeypatch.setattr(sql, "recorded", overtaken)
    assert store.fire_due(NOON).tasks == 0
    assert (Task.objects.count(), Occurrence.objects.count()) == (0, 0)


def test_a_slice_needs_no_statement_per_schedule() -> None:
    """SQLite takes 999 parameters per statement, so large inserts need a few more there."""

    def statements(count: int) -> int:
        create(count)
        with CaptureQueriesContext(connection) as queries:
            store.fire_due(NOON)
        return len(queries)

    assert statements(300) - statements(2) < 300 / 10


def test_an_idle_tick_asks_twice_and_opens_no_transaction() -> None:
    create(starts_at=NOON + HOUR)
    with CaptureQueriesContext(connection) as queries:
        store.fire_due(NOON)
    assert len(queries) == 2


WASTEFUL = ("Seq Scan", "Sort", "Bitmap", "Hash", "hashed", "SCAN t", "TEMP B-TREE")


@contextmanager
def _plans_of(table: str) -> Iterator[list[str]]:
    """The plans of the statements on a table, as they are when the tick runs them."""
    plans: list[str] = []
    prefix = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "

    def explain(execute: Any, statement: str, parameters: Any, many: bool, context: Any) -> Any:
        if table in statement and statement.split()[0] in {"SELECT", "WITH"}:
            execute(prefix + statement, parameters, many, context)
            plans.append("\n".join(str(row) for row in context["cursor"].fetchall()))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def test_a_slice_reads_due_schedules_only_even_where_statistics_are_missing() -> None:
    create(2000, starts_at=NOON + HOUR)
    create(5)
    with _plans_of("schedules_taskschedule") as plans:
        assert store.fire_due(NOON).tasks == 5
    _, due, advance, waiting = plans
    assert "schedule_due" in due
    assert "schedule_buffered" in waiting
    wasteful = [*WASTEFUL, "SCAN schedules_taskschedule USING INDEX schedule_due"]
    assert [word for word in wasteful if word in due + advance + waiting] == []


def test_unfinished_tasks_are_found_by_their_schedule_even_where_statistics_are_missing() -> None:
    (key,) = create(overlap="buffer_one")
    store.fire_due(NOON)
    task_store.create([new_task(task_schedule=UUID(int=n)) for n in range(2000)], NOON)
    with _plans_of("tasks_task") as plans:
        store.fire_due(NOON + HOUR)
        assert task_store.cancel(Task.objects.filter(task_schedule=key).values_list("pk", flat=True), NOON)
        assert store.fire_due(NOON + HOUR).tasks == 1
    assert get(key).buffered_count == 0
    asked = [plan for plan in plans if "taskschedule" in plan or "given" in plan or "json" in plan]
    assert len(asked) >= 4
    for plan in asked:
        assert "Insert" in plan or "task_unfinished" in plan or "INSERT" in plan, plan
        assert [word for word in WASTEFUL if word in plan] == []


@pytest.mark.django_db(transaction=True)
def test_three_beats_at_once_give_each_of_a_thousand_due_schedules_one_task() -> None:
    keys = create(1000)

    def beat() -> int:
        fired = 0
        while (done := store.fire_due(NOON, limit=90)).schedules:
            fired += done.tasks
        return fired

    assert sum(at_once([beat] * 3)) == 1000
    # A beat may have left while another still held the last rows; it left none behind.
    assert store.fire_due(NOON) == Fired()
    assert tasks_per_schedule() == Counter(keys)
    assert Counter(Occurrence.objects.values_list("task_schedule_id", flat=True)) == Counter(keys)
    assert set(TaskSchedule.objects.values_list("next_run_at", "tasks_created")) == {(NOON + HOUR, 1)}


@pytest.mark.django_db(transaction=True)
def test_a_pause_and_a_tick_at_once_agree_about_every_schedule() -> None:
    keys = create(40)

    def pause() -> set[UUID]:
        return store.pause(keys, NOON)

    paused, fired = at_once([pause, lambda: store.fire_due(NOON)])
    later = store.fire_due(NOON + HOUR)
    assert later.schedules == 0
    assert paused == set(keys)
    assert len(tasks_per_schedule()) == fired.tasks


@pytest.mark.django_db(transaction=True)
def test_a_tick_passes_over_schedules_that_another_tick_holds_locked() -> None:
    first, second = create(2)
    if connection.vendor == "sqlite":
        assert not connection.features.has_select_for_update_skip_locked  # writers are alone there
        return
    with transaction.atomic():
        store.fire_due(NOON, limit=1)
        (other,) = at_once([lambda: store.fire_due(NOON)])
    assert other.schedules == 1
    assert tasks_per_schedule() == Counter([first, second])


@pytest.mark.django_db(transaction=True)
def test_deleting_while_a_tick_writes_the_ledger_hits_no_foreign_key() -> None:
    keys = create(30)

    def delete() -> int:
        return sum(store.delete(key, NOON) for key in keys)

    deleted, fired = at_once([delete, lambda: store.fire_due(NOON)])
    assert deleted == 30
    assert Occurrence.objects.count() == 0
    assert sum(tasks_per_schedule().values()) == fired.tasks


@pytest.mark.django_db(transaction=True)
def test_the_queues_are_rung_once_each_and_only_after_the_commit(rings: list[str]) -> None:
    create(3, queue="reports")
    create(3)
    with transaction.atomic():
        store.fire_due(NOON)
        assert rings == []
    assert sorted(rings) == ["reports", "tasks"]


@pytest.fixture
def _has_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "has_work", lambda now: True)


@pytest.mark.usefixtures("_has_work")
def test_one_tick_goes_on_until_nothing_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    slices = iter([Fired(schedules=1000, tasks=1000), Fired(schedules=3, tasks=3), Fired()])
    monkeypatch.setattr(store, "fire_due", lambda now: next(slices))
    tasks.tick()
    assert next(slices, None) is None


@pytest.mark.usefixtures("_has_work")
def test_a_tick_ends_when_its_time_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def busy(now: datetime) -> Fired:
        calls.append(1)
        return Fired(schedules=1)

    clock = iter([0.0, portions.PORTION_SECONDS - 0.1, portions.PORTION_SECONDS])
    monkeypatch.setattr(store, "fire_due", busy)
    monkeypatch.setattr(tasks, "portion", partial(portions.portion, lambda: next(clock)))
    assert tasks.tick() is True
    assert len(calls) == 2


def test_the_lag_is_that_of_the_longest_due_active_schedule() -> None:
    assert oldest_due_at() is None
    (paused,) = create()
    store.pause([paused], NOON)
    create(now=NOON + HOUR)
    assert oldest_due_at() == NOON + HOUR
