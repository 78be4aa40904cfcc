"""Ticks beside other writers, and ticks that die half-way: on two real connections, told apart by signals."""

import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from schedules_app import sql, store
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Fired
from schedules_app.store import ticking
from tasks_app import store as task_store
from tasks_app.models import Task
from tests.integration.helpers import claim, new_task
from tests.integration.machine.faults import Crash, Fault, struck_by
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, finish_all, get, ledger, told

PATIENCE = 30.0


class Held:
    """A tick in a thread of its own, held after it has locked its slice and before it writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **given: Any) -> None:
        self.locked, self.go_on = threading.Event(), threading.Event()
        self.answer: Any = None
        self._given = given
        self._recorded = sql.recorded
        monkeypatch.setattr(sql, "recorded", self._hold)
        self._thread = threading.Thread(target=self._run)

    def _hold(self, pairs: Any) -> Any:
        if threading.current_thread() is self._thread:
            self.locked.set()
            assert self.go_on.wait(PATIENCE)
        return self._recorded(pairs)

    def _run(self) -> None:
        try:
            self.answer = store.fire_due(NOON, **self._given)
        finally:
            connection.close()

    def __enter__(self) -> "Held":
        self._thread.start()
        assert self.locked.wait(PATIENCE)
        return self

    def __exit__(self, *error: object) -> None:
        self.go_on.set()
        self._thread.join(PATIENCE)


class Blocked:
    """A writer in a thread of its own, which is known to wait for a lock."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.answer: Any = None
        self._act, self._pid = act, 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self._pid = cursor.fetchone()[0]
            self._ready.set()
            self.answer = self._act()
        finally:
            connection.close()

    def start(self) -> "Blocked":
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        with connection.cursor() as cursor:
            is_waiting = 0
            while not is_waiting:
                assert self._thread.is_alive()
                cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", [self._pid])
                (is_waiting,) = cursor.fetchone()
        return self

    def join(self) -> Any:
        self._thread.join(PATIENCE)
        return self.answer


@pytest.fixture
def on_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")


@pytest.mark.usefixtures("on_postgresql")
@pytest.mark.django_db(transaction=True)
class TestBesideOthers:
    def test_two_ticks_of_one_schedule_fire_it_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (key,) = create()
        with Held(monkeypatch) as first:
            assert store.fire_due(NOON) == Fired()
        assert first.answer == Fired(schedules=1, tasks=1)
        assert store.fire_due(NOON) == Fired()
        assert ledger(key) == [(NOON, "FIRED")]

    def test_a_pause_waits_for_the_tick_and_stops_what_follows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (key,) = create()
        with Held(monkeypatch) as tick:
            pause = Blocked(lambda: store.pause([key], NOON)).start()
        assert pause.join() == {key}
        assert tick.answer.tasks == 1
        assert store.fire_due(NOON + HOUR) == Fired()
        assert Task.objects.count() == 1

    def test_an_edit_waits_for_the_tick_and_goes_on_from_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (key,) = create()
        with Held(monkeypatch):
            edit = Blocked(lambda: store.update(key, {"every_x_hours": 2, "starts_at": NOON}, NOON)).start()
        assert edit.join().revision == 2
        for n in range(5):
            store.fire_due(NOON + n * HOUR)
        assert told(key) == [(0, "FIRED"), (2, "FIRED"), (4, "FIRED")]

    def test_a_deletion_waits_for_the_tick_and_takes_its_ledger_along(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (key,) = create()
        with Held(monkeypatch):
            deletion = Blocked(lambda: store.delete(key)).start()
        assert deletion.join() is True
        assert (TaskSchedule.objects.count(), Occurrence.objects.count()) == (0, 0)

    @pytest.mark.parametrize("verb", ["pause", "update", "delete"])
    def test_a_tick_passes_over_what_another_writer_holds(self, verb: str) -> None:
        (key,), (other,) = create(), create()
        acts = {
            "pause": lambda: store.pause([key], NOON),
            "update": lambda: store.update(key, {"priority": 1}, NOON),
            "delete": lambda: store.delete(key),
        }
        answers: list[Fired] = []

        def tick() -> None:
            answers.append(store.fire_due(NOON))
            connection.close()

        with transaction.atomic():
            acts[verb]()
            thread = threading.Thread(target=tick)
            thread.start()
            thread.join(PATIENCE)
        assert answers == [Fired(schedules=1, tasks=1)]
        assert ledger(other) == [(NOON, "FIRED")]
        assert store.fire_due(NOON).tasks == (1 if verb == "update" else 0)

    def test_a_tick_that_is_killed_leaves_its_slice_to_the_next_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (key,) = create()
        with monkeypatch.context() as patch:
            patch.setattr(task_store, "create", _kill_own_backend)
            with pytest.raises(Exception, match=r"terminat|closed"):
                store.fire_due(NOON)
        connection.close()
        assert (Task.objects.count(), ledger(key)) == (0, [])
        assert store.fire_due(NOON) == Fired(schedules=1, tasks=1)


def _kill_own_backend(*given: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.django_db
def test_of_two_ticks_that_saw_the_same_free_schedule_one_fires_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second one's look is older than the first one's commit; it looks again once it has the lock."""
    (key,) = create(overlap="buffer_all")
    for n in range(3):
        store.fire_due(NOON + n * HOUR)
    finish_all(NOON)
    stale = TaskSchedule.objects.filter(buffered_count__gt=0)
    monkeypatch.setattr(ticking, "_waiting", lambda: stale)
    assert [store.fire_due(NOON + 2 * HOUR).tasks for _ in range(3)] == [1, 0, 0]
    assert get(key).buffered_count == 1


def _mixed_slice() -> list[UUID]:
    """Schedules of which a tick at 14:00 has something different to do with each."""
    keys = [create(**fields)[0] for fields in ({}, {"catch_up": "all"}, {"expires_after_seconds": 60})]
    keys += [create(overlap=overlap)[0] for overlap in ("skip", "buffer_all", "cancel_previous")]
    (waiting,) = create(overlap="buffer_one", ends_at=NOON + HOUR)
    (paused,) = create(starts_at=NOON + MINUTE)
    store.pause([paused], NOON)
    store.fire_due(NOON)
    store.fire_due(NOON + HOUR)
    TaskSchedule.objects.filter(pk=paused).update(paused_until=NOON + HOUR, due_at=NOON + HOUR)
    claims = claim(now=NOON + HOUR)
    task_store.cancel([item.task_id for item in claims if item.task_id.int % 2], NOON + HOUR)
    Task.objects.filter(task_schedule=waiting, status__in=["PENDING", "SCHEDULED"]).delete()
    Task.objects.filter(task_schedule=waiting, status="STARTED").delete()
    task_store.create([new_task(task_schedule=keys[3])], NOON)
    (broken,) = create()
    TaskSchedule.objects.filter(pk=broken).update(timezone="Mars/Olympus")
    return [*keys, waiting, paused, broken]


def _state() -> dict[str, list[Any]]:
    """All that a tick writes, without what is drawn anew each time."""
    occurrences = Occurrence.objects.order_by("task_schedule_id", "occurs_at")
    return {
        "schedules": list(TaskSchedule.objects.order_by("pk").values()),
        "ledger": list(occurrences.values("task_schedule_id", "occurs_at", "verdict", "reason", "count")),
        "tasks": list(
            Task.objects.order_by("task_schedule", "run_at", "created_at").values(
                "task_schedule", "run_at", "status", "cancel_requested_at"
            )
        ),
    }


@contextmanager
def _undone() -> Any:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.parametrize("before", [True, False])
def test_a_slice_that_dies_at_any_statement_leaves_all_or_nothing_and_is_done_by_the_next_tick(
    before: bool,
) -> None:
    _mixed_slice()
    later = NOON + 2 * HOUR
    states = [_state()]
    with _undone():
        due = ticking._due_slice(100, later)
        states.append(_state())
        waited = ticking._slice(ticking._waiting(), 100, later)
        states.append(_state())
    assert (due.schedules, due.tasks, waited.tasks) == (8, 5, 1)
    assert states[0] != states[1] != states[2]
    struck = 0
    for event in range(1, 60):
        with _undone():
            with struck_by(Fault(event, before)) as strike:
                try:
                    store.fire_due(later)
                except Crash:
                    struck += 1
            assert _state() in states
            store.fire_due(later)
            assert _state() == states[-1]
        if strike is None or not strike.struck:
            break
    assert struck > 15


@pytest.mark.django_db
def test_a_clock_that_stands_still_for_a_while_fires_everything_once() -> None:
    (key,) = create(every_x_hours=None, every_x_seconds=1)
    for seconds in (0, 0, 5, 5, 4, 3, 5, 6, 6):
        store.fire_due(NOON + seconds * SECOND)
    assert told(key, step=SECOND) == [(n, "FIRED") for n in range(10)]
