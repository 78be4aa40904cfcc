"""Backfills: never two tasks for one occurrence, whatever happens in between, and a ledger that still adds up."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from schedules_app import sql, store, tasks
from schedules_app.errors import TooManyOccurrences
from schedules_app.models import Backfill, Occurrence
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.store import backfills
from tasks_app import store as task_store
from tasks_app.ids import new_id
from tasks_app.models import Task
from tests.integration.helpers import at_once
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, get, told

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOON + 100 * HOUR + MINUTE


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "SLICE", 4)


def _hourly(**fields: Any) -> UUID:
    """A schedule with a grid of full hours, created at LATER: nothing of the past has been fired."""
    (key,) = create(now=LATER, starts_at=NOON, **fields)
    return key


def _ask(key: UUID, first: int, last: int, now: datetime = LATER, priority: int = 9) -> Backfill:
    one = store.backfill(key, NOON + first * HOUR, NOON + last * HOUR, priority, now)
    assert one is not None
    return one


def _work(now: datetime = LATER) -> None:
    while store.work_backfills(now):
        pass


def _progress(one: Backfill) -> tuple[str, int, int, int]:
    one.refresh_from_db()
    return one.status, one.total, one.tasks_created, one.already_fired


def _counted(key: UUID) -> int:
    return sum(Occurrence.objects.filter(task_schedule_id=key).values_list("count", flat=True))


def test_each_occurrence_of_the_range_gets_a_task_of_the_backfills_own_priority() -> None:
    key = _hourly(priority=2, arguments={}, expires_after_seconds=60)
    one = _ask(key, 3, 5)
    assert _progress(one) == ("RUNNING", 3, 0, 0)
    _work()
    assert _progress(one) == ("FINISHED", 3, 3, 0)
    assert told(key) == [(3, "LATE"), (4, "LATE"), (5, "LATE")]
    assert set(Occurrence.objects.values_list("origin", flat=True)) == {"backfill"}
    assert (
        list(Task.objects.order_by("task_id").values_list("priority", "run_at", "expires_at"))
        == [(9, LATER, LATER + MINUTE)] * 3
    )
    assert (get(key).tasks_created, get(key).priority) == (0, 2)


def test_a_backfill_tells_its_tasks_the_nominal_time_and_creates_the_oldest_first() -> None:
    key = _hourly(operation="debug.echo", arguments={"value": "{{ occurrence }}"})
    _ask(key, 0, 2)
    _work()
    values = [task.arguments["value"] for task in Task.objects.order_by("task_id")]
    assert values == ["2030-01-01T12:00:00Z", "2030-01-01T13:00:00Z", "2030-01-01T14:00:00Z"]


def test_an_occurrence_that_has_its_task_gets_no_second_one() -> None:
    (key,) = create()
    store.fire_due(NOON)
    store.fire_due(NOON + HOUR)
    store.pause([key], NOON + HOUR)
    one = _ask(key, 0, 3, NOON + 4 * HOUR)
    _work(NOON + 4 * HOUR)
    assert _progress(one) == ("FINISHED", 4, 2, 2)
    assert told(key) == [(0, "FIRED"), (1, "FIRED"), (2, "LATE"), (3, "LATE")]


def test_the_same_backfill_again_fires_nothing() -> None:
    key = _hourly()
    _ask(key, 0, 9)
    _work()
    again = _ask(key, 0, 9)
    _work()
    assert _progress(again) == ("FINISHED", 10, 0, 10)
    assert Task.objects.count() == 10


def test_occurrences_that_were_skipped_get_their_task_after_all() -> None:
    (key,) = create()
    store.pause([key], NOON)
    store.resume([key], NOON + 3 * HOUR + MINUTE)
    assert told(key) == [(n, "paused") for n in range(4)]
    _ask(key, 1, 2, NOON + 3 * HOUR + MINUTE)
    _work(NOON + 3 * HOUR + MINUTE)
    assert told(key) == [(0, "paused"), (1, "LATE"), (2, "LATE"), (3, "paused")]


@pytest.mark.parametrize(
    ("first", "last"), [(0, 99), (0, 4), (20, 30), (80, 99), (85, 90), (0, 89), (89, 99)]
)
def test_a_run_of_skipped_occurrences_loses_what_is_fired_of_it(
    first: int, last: int, small_slices: None
) -> None:
    (key,) = create(catch_up="skip")
    store.fire_due(LATER)
    fired = Occurrence.objects.filter(task_id__isnull=False).count()
    total = _counted(key)
    assert Occurrence.objects.filter(count__gt=1).count() == 1
    _ask(key, first, last)
    _work()
    assert _counted(key) == total
    assert Task.objects.count() == fired + last - first + 1
    for run in Occurrence.objects.filter(count__gt=1):
        assert run.last_occurs_at is not None
        times = {run.occurs_at, run.last_occurs_at}
        assert not Occurrence.objects.filter(occurs_at__in=times, task_id__isnull=False).exists()


def test_what_the_rule_excludes_is_not_backfilled() -> None:
    (key,) = create(
        now=LATER, starts_at=NOON, every_x_hours=None, every_x_days=1, excluded_dates=["2030-01-03"]
    )
    one = _ask(key, 0, 72)
    _work()
    assert _progress(one) == ("FINISHED", 3, 3, 0)
    assert told(key, step=DAY) == [(0, "LATE"), (1, "LATE"), (3, "LATE")]


def test_what_a_person_skipped_or_moved_away_is_not_backfilled() -> None:
    (key,) = create(starts_at=NOON + HOUR)
    store.skip_next(key, NOON)
    store.move(key, NOON + 2 * HOUR, NOON + 150 * MINUTE, NOON)
    for minute in range(300):
        store.fire_due(NOON + minute * MINUTE)
    now = NOON + 299 * MINUTE
    store.update(key, {"priority": 1}, now)
    assert get(key).overrides == {}
    _ask(key, 1, 4, now)
    _work(now)
    assert told(key) == [(1, "requested"), (2, "requested"), (2.5, "FIRED"), (3, "FIRED"), (4, "FIRED")]


def test_a_backfill_knows_neither_overlap_nor_the_limit_on_tasks() -> None:
    key = _hourly(overlap="skip", schedule_x_times=1)
    _ask(key, 0, 4)
    _work()
    assert Task.objects.count() == 5
    assert get(key).next_run_at == NOON + 101 * HOUR


def test_an_empty_range_is_finished_at_once() -> None:
    key = _hourly()
    one = store.backfill(key, NOON + SECOND, NOON + MINUTE, 9, LATER)
    assert one is not None
    assert _progress(one) == ("FINISHED", 0, 0, 0)


@pytest.mark.parametrize(
    ("first", "last", "field"), [(NOON + HOUR, NOON, "to"), (NOON, LATER + SECOND, "to")]
)
def test_a_range_that_is_none_or_not_past_is_refused(first: datetime, last: datetime, field: str) -> None:
    key = _hourly()
    with pytest.raises(InvalidRecurrence) as refusal:
        store.backfill(key, first, last, 9, LATER)
    assert (refusal.value.field, Backfill.objects.count()) == (field, 0)


def test_a_range_with_too_many_occurrences_is_refused_with_the_bound(settings: Any) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"max_backfill_occurrences": 10})
    key = _hourly()
    assert store.plan_backfill(get(key), NOON, NOON + 9 * HOUR, LATER) == 10
    with pytest.raises(TooManyOccurrences, match="more than 10 "):
        store.plan_backfill(get(key), NOON, NOON + 10 * HOUR, LATER)


def test_counting_a_range_ends_soon_however_long_it_is(settings: Any) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"max_backfill_occurrences": 10})
    key = _hourly(every_x_hours=None, every_x_seconds=1, excluded_dates=["2030-01-01", "2030-01-02"])
    with pytest.raises(TooManyOccurrences):
        store.plan_backfill(get(key), NOON, NOON + 30 * HOUR, LATER)


def test_a_dry_run_writes_nothing() -> None:
    key = _hourly()
    store.plan_backfill(get(key), NOON, NOON + 9 * HOUR, LATER)
    assert (Backfill.objects.count(), Occurrence.objects.count()) == (0, 0)


def test_a_cancelled_backfill_stops_and_keeps_what_it_has_created(small_slices: None) -> None:
    one = _ask(_hourly(), 0, 9)
    assert store.work_backfills(LATER) == 1
    assert store.cancel_backfill(one.pk, LATER)
    _work()
    assert _progress(one) == ("CANCELLED", 10, 4, 0)
    assert Task.objects.count() == 4
    assert not store.cancel_backfill(one.pk, LATER)
    assert not store.cancel_backfill(new_id(), LATER)


def test_a_paused_schedule_can_be_backfilled_and_its_resume_fires_nothing_twice() -> None:
    (key,) = create(catch_up="all")
    store.pause([key], NOON)
    now = NOON + 4 * HOUR + MINUTE
    _ask(key, 0, 2, now)
    _work(now)
    store.resume([key], now, catch_up=True)
    store.fire_due(now)
    assert told(key) == [(0, "LATE"), (1, "LATE"), (2, "LATE"), (3, "LATE"), (4, "FIRED")]
    assert Task.objects.count() == 5


def test_what_is_backfilled_in_a_pause_is_not_in_the_run_that_stands_for_the_pause() -> None:
    (key,) = create()
    store.pause([key], NOON)
    _ask(key, 0, 2)
    _ask(key, 40, 45)
    _work()
    store.resume([key], LATER)
    assert _counted(key) == 101
    assert Occurrence.objects.get(count__gt=1).occurs_at == NOON + 3 * HOUR


def test_a_backfill_waits_until_a_tick_has_decided_on_what_is_due() -> None:
    (key,) = create(catch_up="all")
    one = _ask(key, 0, 2, NOON + 2 * HOUR + MINUTE)
    assert store.work_backfills(NOON + 2 * HOUR + MINUTE) == 0
    store.fire_due(NOON + 2 * HOUR + MINUTE)
    _work(NOON + 2 * HOUR + MINUTE)
    assert _progress(one) == ("FINISHED", 3, 0, 3)


def test_a_backfill_of_a_rule_that_cannot_be_followed_stops() -> None:
    key = _hourly()
    one = _ask(key, 0, 9)
    type(get(key)).objects.filter(pk=key).update(timezone="Mars/Olympus")
    _work()
    assert _progress(one) == ("CANCELLED", 10, 0, 0)


def test_a_backfill_of_an_unknown_schedule_changes_nothing_and_says_so() -> None:
    assert store.backfill(new_id(), NOON, NOON + HOUR, 9, LATER) is None


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (task_store, "create"),
        (sql, "record"),
        (Backfill, "save"),
        (backfills, "make_room"),
        (backfills, "_decided"),
    ],
)
def test_a_slice_that_dies_between_two_statements_leaves_nothing_and_is_done_again(
    monkeypatch: pytest.MonkeyPatch, small_slices: None, target: Any, name: str
) -> None:
    (key,) = create(catch_up="skip")
    store.fire_due(LATER)
    before = Task.objects.count()
    one = _ask(key, 0, 9)
    store.work_backfills(LATER)
    counted = _counted(key)

    def die(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(target, name, die)
        with pytest.raises(RuntimeError), transaction.atomic():
            store.work_backfills(LATER)
    assert (_progress(one), _counted(key)) == (("RUNNING", 10, 4, 0), counted)
    _work()
    assert _progress(one) == ("FINISHED", 10, 10, 0)
    assert Task.objects.count() == before + 10


def test_a_tick_works_on_backfills_when_nothing_is_due(
    monkeypatch: pytest.MonkeyPatch, small_slices: None
) -> None:
    one = _ask(_hourly(), 0, 9)
    monkeypatch.setattr(task_store, "database_now", lambda: LATER)
    tasks.tick()
    assert _progress(one) == ("FINISHED", 10, 10, 0)


@pytest.mark.django_db(transaction=True)
def test_two_workers_of_one_backfill_and_a_tick_fire_each_occurrence_once(small_slices: None) -> None:
    (key,) = create(catch_up="all", catch_up_window_seconds=1e6, catch_up_limit=1000)
    store.pause([key], NOON)
    one = _ask(key, 0, 60)

    def work() -> None:
        for _ in range(40):
            store.work_backfills(LATER)

    def resume() -> None:
        store.resume([key], LATER, catch_up=True)
        store.fire_due(LATER)

    at_once([work, work, resume])
    store.fire_due(LATER)
    _work()
    status, total, created, already = _progress(one)
    assert (status, total, created + already) == ("FINISHED", 61, 61)
    rows = Occurrence.objects.filter(task_id__isnull=False)
    assert set(rows.values_list("task_id", flat=True)) == set(Task.objects.values_list("task_id", flat=True))
    assert Task.objects.count() == rows.count() == 101


@pytest.mark.django_db(transaction=True)
def test_a_cancel_and_a_worker_at_once_agree_about_what_was_created(small_slices: None) -> None:
    one = _ask(_hourly(), 0, 60)

    def work() -> None:
        while store.work_backfills(LATER):
            pass

    cancelled, _ = at_once([lambda: store.cancel_backfill(one.pk, LATER), work])
    status, _, created, _ = _progress(one)
    assert status == ("CANCELLED" if cancelled else "FINISHED")
    assert Task.objects.count() == created
