"""A drain: the path from waiting rows to results, without Celery around it."""

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from scheduler_service import logs
from tasks_app import drain, events, operations, shutdown, sql, store, tasks
from tasks_app.event_sender import Event
from tasks_app.lifecycle import Status
from tasks_app.models import Attempt, Task
from tasks_app.operations import Context
from tasks_app.rescue import Rescuer
from tests.integration.helpers import create, ending, new_task, status_of
from tests.support import registered_operation
from tests.unit.test_events import FakeSender

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker() -> Iterator[drain.Worker]:
    worker = drain.Worker()
    yield worker
    worker.watchdog.rest()


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Event]]:
    """The events that would go to Flower, by attempts."""
    fake = FakeSender()
    monkeypatch.setattr(events, "sender", lambda hostname, dropped: fake)
    monkeypatch.setattr(events, "allowance", lambda: events.Allowance(0))
    return fake.attempts


def test_a_drain_works_off_its_queue_and_no_other(worker):
    mine = create(*(new_task() for _ in range(30)), now=None)
    (other,) = create(new_task(queue="other"), now=None)
    assert worker.drain("tasks", "w@host", seconds=60) == 30
    assert {status_of(task_id) for task_id in mine} == {"SUCCESS"}
    assert status_of(other) == "PENDING"
    assert Attempt.objects.count() == 30


def test_a_drain_rings_once_for_help_while_more_work_waits(worker, rings):
    create(*(new_task() for _ in range(30)), now=None)
    rings.clear()
    worker.drain("tasks", "w@host", seconds=60)
    assert rings == ["tasks"]


def test_a_drain_whose_time_is_spent_rings_for_its_successor(worker, rings):
    create(*(new_task() for _ in range(30)), now=None)
    rings.clear()
    worker.drain("tasks", "w@host", seconds=0)
    assert rings == ["tasks", "tasks"]
    assert Task.objects.filter(status="PENDING").exists()


def test_a_single_task_rings_nobody_else(worker, rings):
    create(new_task(), now=None)
    rings.clear()
    worker.drain("tasks", "w@host", seconds=60)
    assert rings == []


def test_a_stopping_worker_claims_nothing(worker, monkeypatch):
    (task_id,) = create(new_task(), now=None)
    monkeypatch.setattr(drain, "is_stopping", lambda: True)
    assert worker.drain("tasks", "w@host", seconds=60) == 0
    assert status_of(task_id) == "PENDING"


def test_children_learn_through_shared_memory_that_their_worker_stops():
    assert not shutdown.is_stopping()
    shutdown._tell_children()
    try:
        assert shutdown.is_stopping()
    finally:
        shutdown.reset()


def test_the_handler_knows_its_task_and_attempt(worker):
    seen: list[Context] = []

    def handler(context: Context) -> None:
        seen.append(context)

    with registered_operation(handler):
        (task_id,) = create(new_task("test.handler"), now=None)
        worker.drain("tasks", "w@host", seconds=60)
    assert [(context.task_id, context.attempt) for context in seen] == [(task_id, 1)]


def test_lines_that_are_logged_meanwhile_say_of_which_task_they_are(worker):
    told = []
    with registered_operation(lambda: told.append(logs.context()), name="test.logging"):
        (task_id,) = create(new_task(operation="test.logging", arguments={}), now=None)
        worker.drain("tasks", "w@host", seconds=60)
    assert told == [{"task_id": task_id, "attempt": 1, "operation": "test.logging"}]
    assert logs.context() == {}


def test_no_transaction_is_open_while_a_handler_runs(worker):
    from django.db import connection

    seen: list[bool] = []

    def handler() -> None:
        seen.append(connection.in_atomic_block)

    with registered_operation(handler):
        create(new_task("test.handler"), now=None)
        worker.drain("tasks", "w@host", seconds=60)
    assert seen == [False]


def test_a_result_is_kept_until_the_database_is_back(worker, monkeypatch):
    (task_id,) = create(new_task(), now=None)
    failures = [OperationalError("gone"), OperationalError("gone")]
    monkeypatch.setattr(store, "finish_and_claim", give_up_claiming)

    def finish(endings: Any) -> set:
        if failures:
            raise failures.pop()
        return store.finish(endings)

    monkeypatch.setattr(worker.store, "finish", finish)
    worker.drain("tasks", "w@host", seconds=60)
    assert Task.objects.get(task_id=task_id).result == 11
    assert failures == []


def test_a_claim_whose_answer_was_lost_is_given_back_with_its_attempt(worker, monkeypatch):
    (task_id,) = create(new_task(), now=None)
    claim = store.claim

    def claim_and_lose_the_answer(*args: Any, **kwargs: Any) -> list:
        monkeypatch.setattr(store, "claim", claim)
        claim(*args, **kwargs)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(store, "claim", claim_and_lose_the_answer)
    assert worker.drain("tasks", "w@host", seconds=60) == 0
    task = Task.objects.get(task_id=task_id)
    assert (task.status, task.attempt, task.fence) == ("PENDING", 0, 1)
    assert worker.drain("tasks", "w@host", seconds=60) == 1


def test_an_answer_that_was_lost_after_the_commit_costs_neither_results_nor_attempts(worker, monkeypatch):
    ids = create(*(new_task() for _ in range(30)), now=None)
    finish_and_claim = store.finish_and_claim

    def write_and_lose_the_answer(*args: Any, **kwargs: Any) -> list:
        monkeypatch.setattr(store, "finish_and_claim", finish_and_claim)
        assert finish_and_claim(*args, **kwargs)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(store, "finish_and_claim", write_and_lose_the_answer)
    finished = worker.drain("tasks", "w@host", seconds=60)
    assert 0 < finished < 30
    rows = list(Task.objects.order_by("run_at", "task_id").values_list("status", "attempt", "fence"))
    # Those that the lost answer named were given back: their fence is raised, their attempt is not.
    claimed = sum(row == ("PENDING", 0, 1) for row in rows)
    assert claimed > 0
    assert rows.count(("SUCCESS", 1, 1)) == finished == Attempt.objects.count()
    assert finished + claimed + rows.count(("PENDING", 0, 0)) == 30
    assert worker.drain("tasks", "w@host", seconds=60) == 30 - finished
    assert {status_of(task_id) for task_id in ids} == {"SUCCESS"}
    assert Attempt.objects.count() == 30


def test_a_drain_whose_time_is_spent_claims_nothing_that_it_does_not_run(worker):
    create(*(new_task() for _ in range(30)), now=None)
    finished = worker.drain("tasks", "w@host", seconds=0)
    rows = list(Task.objects.values_list("status", "fence"))
    assert (rows.count(("SUCCESS", 1)), rows.count(("PENDING", 0))) == (finished, 30 - finished)


def test_a_worker_that_stops_during_a_slice_writes_its_results_and_claims_nothing(worker, monkeypatch):
    def stop() -> None:
        monkeypatch.setattr(drain, "is_stopping", lambda: True)

    with registered_operation(stop):
        stopping, other = create(new_task("test.handler"), new_task(), now=None)
        assert worker.drain("tasks", "w@host", seconds=60) == 1
    assert (status_of(stopping), status_of(other)) == ("SUCCESS", "PENDING")
    assert Task.objects.get(task_id=other).fence == 0


def test_what_was_given_back_is_run_before_less_urgent_tasks(worker, monkeypatch):
    """A slice that takes too long gives its rest back: the next claim must see it."""
    order: list[int] = []

    def handler(number: int) -> None:
        order.append(number)

    monkeypatch.setattr(worker.runner, "limits", replace(worker.runner.limits, slice_seconds=0.0))
    with registered_operation(handler, quick=True):
        urgent = [new_task("test.handler", arguments={"number": n}, priority=1) for n in range(3)]
        create(*urgent, new_task("test.handler", arguments={"number": 3}, priority=2), now=None)
        worker.drain("tasks", "w@host", seconds=60)
    assert order == [0, 1, 2, 3]


def test_few_tasks_of_many_priorities_are_claimed_together_and_run_in_their_order(worker, monkeypatch):
    """With a commit for each priority, a stream of ten of them would wait for the disk most of the time."""
    order: list[int] = []

    def handler(number: int) -> None:
        order.append(number)

    finish_and_claim, slices = store.finish_and_claim, []

    def counted(*args: Any, **kwargs: Any) -> list[Any]:
        slices.append(finish_and_claim(*args, **kwargs))
        return slices[-1]

    monkeypatch.setattr(store, "finish_and_claim", counted)
    with registered_operation(handler, quick=True):
        create(
            *(
                new_task("test.handler", arguments={"number": n}, priority=n)
                for n in range(10)
                for _ in range(2)
            ),
            now=None,
        )
        assert worker.drain("tasks", "w@host", seconds=60) == 20
    assert order == sorted(order)
    assert [len(slice_) for slice_ in slices] == [10, 8, 0]


def test_slow_tasks_are_claimed_one_by_one_without_a_look_for_others(worker, monkeypatch):
    monkeypatch.setattr(sql, "claim_behind", give_up_claiming)
    with registered_operation(lambda: None):
        ids = create(*(new_task("test.handler") for _ in range(3)), now=None)
        worker.drain("tasks", "w@host", seconds=60)
    assert {status_of(task_id) for task_id in ids} == {"SUCCESS"}


def test_what_a_handler_began_is_not_given_back_with_its_attempt(worker, monkeypatch):
    """Else its next run would have the same number, and runs would not be bounded."""
    (task_id,) = create(new_task(), now=None)

    def give_up(*args: Any) -> None:
        raise OperationalError("gone for longer than the lease")

    with monkeypatch.context() as patch:
        patch.setattr(drain, "patiently", give_up)
        patch.setattr(store, "finish_and_claim", give_up_claiming)
        with pytest.raises(OperationalError):
            worker.drain("tasks", "w@host", seconds=60)
    with monkeypatch.context() as patch:
        patch.setattr(store, "claim", give_up_claiming)
        assert worker.drain("tasks", "w@host", seconds=60) == 0
    task = Task.objects.get(task_id=task_id)
    assert (task.status, task.attempt) == ("STARTED", 1)


def give_up_claiming(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def test_a_database_that_goes_away_after_a_claim_does_not_cost_the_claim(worker, monkeypatch):
    (task_id,) = create(new_task(), now=None)
    monkeypatch.setattr(store, "has_pending", give_up_claiming)
    worker.drain("tasks", "w@host", seconds=60)
    assert status_of(task_id) == "SUCCESS"


def test_no_signal_strikes_while_a_result_is_written(worker, monkeypatch):
    create(new_task(), now=None)
    struck: list[str] = []
    previous = signal.signal(signal.SIGTERM, lambda number, frame: struck.append("signal"))

    finish_and_claim = store.finish_and_claim

    def finish(*args: Any, **kwargs: Any) -> list:
        # To this thread: another test's threads, which a worker has not, may let it in.
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        claims = finish_and_claim(*args, **kwargs)
        struck.append("written")
        return claims

    monkeypatch.setattr(store, "finish_and_claim", finish)
    try:
        worker.drain("tasks", "w@host", seconds=60)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert struck == ["written", "signal"]


def test_a_write_is_given_up_when_the_lease_is_over():
    def write() -> None:
        raise OperationalError("gone")

    with pytest.raises(OperationalError):
        drain.patiently(write, until=0.0)


def test_flower_sees_operation_arguments_result_and_runtime(worker, sent):
    create(new_task("debug.echo", arguments={"value": 1}), now=None)
    worker.drain("tasks", "w@host", seconds=60)
    (attempt,) = sent
    assert [kind for kind, _ in attempt] == ["task-received", "task-started", "task-succeeded"]
    assert attempt[0][1]["name"] == "debug.echo"
    assert json.loads(attempt[0][1]["kwargs"]) == {"value": 1}
    assert attempt[2][1]["runtime"] >= 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [(Status.ERROR, "task-failed"), (Status.RETRY, "task-retried"), (Status.CANCELLED, "task-revoked")],
)
def test_flower_is_told_each_way_that_an_attempt_can_end(status, kind):
    from tests.unit.test_runner import a_claim

    last = list(events.events_of(ending(a_claim(), status, error={"message": "no"}), now=5.0))[-1]
    assert last[0] == kind


def test_a_drain_goes_on_when_events_cannot_be_sent(worker, monkeypatch):
    def refuse(*args: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(events, "sender", refuse)
    (task_id,) = create(new_task(), now=None)
    worker.drain("tasks", "w@host", seconds=60)
    assert status_of(task_id) == "SUCCESS"


def test_claims_grow_while_rows_are_quick_and_shrink_when_they_are_not():
    size = drain.ClaimSize(most=100, slice_seconds=0.1)
    for _ in range(10):
        size.learn(size.rows, 0.01)
    assert size.rows == 100
    size.learn(100, 0.2)
    assert size.rows == 50
    size.learn(3, 0.01)
    assert size.rows == 50


def test_sweep_expires_promotes_and_rings(rings, settings):
    due, late = create(new_task(run_at=store.database_now()), new_task(), now=None)
    Task.objects.filter(task_id=due).update(status="SCHEDULED")
    Task.objects.filter(task_id=late).update(expires_at=store.database_now())
    rings.clear()
    tasks.sweep()
    assert (status_of(due), status_of(late)) == ("PENDING", "EXPIRED")
    assert set(rings) == {"tasks"}


def test_rescue_gives_a_lost_task_back(monkeypatch):
    (task_id,) = create(new_task(), now=None)
    store.claim("tasks", "w", 1, lease_seconds=1, now=store.database_now() - timedelta(hours=1))
    seconds = [0.0]
    started = store.database_now()
    clocks = {
        "database_now": lambda: started + timedelta(seconds=seconds[0]),
        "monotonic": lambda: seconds[0],
    }
    monkeypatch.setattr(tasks, "rescuer", Rescuer(**clocks))
    tasks.rescue()
    assert status_of(task_id) == "STARTED"
    seconds[0] = 60.0
    tasks.rescue()
    assert status_of(task_id) == "RETRY"


def test_prune_keeps_what_its_retention_keeps(worker, settings):
    create(new_task(), now=None)
    worker.drain("tasks", "w@host", seconds=60)
    tasks.prune()
    assert Task.objects.count() == 1
    settings.CONFIG = settings.CONFIG.model_copy(update={"retention_success_days": 1e-9})
    tasks.prune()
    assert Task.objects.count() == 0
    assert Attempt.objects.count() == 0


def test_operations_that_are_not_quick_are_known_to_the_claim():
    assert "debug.sleep" in operations.slow_names()
    assert "arithmetic" not in operations.slow_names()
