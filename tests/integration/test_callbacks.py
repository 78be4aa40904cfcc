"""The ends of tasks with a `callback_url`: noted in the transaction that ends the task, and told by one task."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from tasks_app import store, tasks
from tasks_app.callbacks import delivery, outbox
from tasks_app.callbacks.log import deliveries_of
from tasks_app.lifecycle import TERMINAL, Outcome, Status
from tasks_app.models import Callback, Task
from tasks_app.operations import resolve
from tests.integration.helpers import at, at_once, claim, create, ending, new_task, status_of

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://hooks.example.com/ended?key=7"


def told(**fields: Any) -> UUID:
    """A new task with a callback."""
    return create(new_task(callback_url=URL, **fields))[0]


def finish(task_id: UUID, status: Status = Status.SUCCESS, **fields: Any) -> None:
    (held,) = [each for each in claim() if each.task_id == task_id]
    store.finish([ending(held, status, **fields)], at(1))


def deliveries(task_id: UUID) -> list[Task]:
    """The tasks that tell of a task's end, as they are marked, which must be all that there are."""
    ids = [row.delivery_task_id for row in Callback.objects.filter(task_id=task_id).order_by("number")]
    found = Task.objects.in_bulk(ids)
    assert len(found) == len(ids)
    stored = Task.objects.filter(queue="callbacks")
    assert {task.pk for task in stored if task.arguments["json"]["data"]["task_id"] == str(task_id)} == set(
        ids
    )
    return [found[key] for key in ids if key]


def cancel_waiting(task_id: UUID) -> None:
    store.cancel([task_id], at(1))


def cancel_running(task_id: UUID) -> None:
    (held,) = claim()
    store.cancel([task_id], at(1))
    store.finish([ending(held, Status.RETRY, outcome=Outcome.CANCELLED)], at(2))


def expire(task_id: UUID) -> None:
    assert store.expire(at(60)) == 1


def rescue(task_id: UUID) -> None:
    claim()
    store.rescue(at(120), draw=lambda: 0.0)


def rescue_cancelled(task_id: UUID) -> None:
    claim()
    store.cancel([task_id], at(1))
    store.rescue(at(120))


def release_cancelled(task_id: UUID) -> None:
    held = claim()
    store.cancel([task_id], at(1))
    store.release(held, at(2))


def finish_with_the_next_claim(task_id: UUID) -> None:
    (held,) = claim()
    store.finish_and_claim([ending(held)], "tasks", "w1", 10, lease_seconds=60, now=at(1))


def by_somebody_else(task_id: UUID) -> None:
    Task.objects.filter(task_id=task_id).update(status=Status.CANCELLED, finished_at=at(1))


ENDS: list[tuple[Callable[[UUID], None], dict[str, Any], str]] = [
    (finish, {}, "SUCCESS"),
    (finish_with_the_next_claim, {}, "SUCCESS"),
    (lambda task_id: finish(task_id, Status.ERROR, error={"code": "x"}), {}, "ERROR"),
    (cancel_waiting, {}, "CANCELLED"),
    (cancel_waiting, {"run_at": at(60)}, "CANCELLED"),
    (cancel_running, {}, "CANCELLED"),
    (release_cancelled, {}, "CANCELLED"),
    (expire, {"expires_at": at(30)}, "EXPIRED"),
    (rescue, {"max_attempts": 1}, "ERROR"),
    (rescue_cancelled, {}, "CANCELLED"),
    (by_somebody_else, {}, "CANCELLED"),
]


@pytest.mark.parametrize(("end", "fields", "status"), ENDS)
def test_whatever_ends_a_task_one_delivery_tells_it(end, fields, status):
    task_id = told(**fields)
    create(new_task(priority=9, run_at=at(3600)))  # has no callback
    end(task_id)
    assert [(row.task_id, row.delivery_task_id) for row in Callback.objects.all()] == [(task_id, None)]
    assert (delivery.deliver(), delivery.deliver()) == (1, 0)
    (telling,) = deliveries(task_id)
    body = telling.arguments["json"]
    ended = Task.objects.get(task_id=task_id)
    assert (body["type"], body["data"]["status"], body["data"]["error"]) == (
        "task.finished",
        status,
        ended.error,
    )
    assert body["timestamp"] == body["data"]["finished_at"] is not None


def test_a_task_that_goes_on_is_not_told():
    (a, b, c) = (told(), told(), told())
    held = {each.task_id: each for each in claim()}
    store.finish([ending(held[a], Status.RETRY, wait_seconds=5)], at(1))
    store.release([held[b]], at(1))
    store.cancel([c], at(1))
    store.heartbeat([held[c]], lease_seconds=60, now=at(2))
    store.promote(at(10))
    assert not Callback.objects.exists()
    assert delivery.deliver() == 0


def test_a_task_without_a_callback_and_one_that_is_deleted_are_not_told():
    (plain,) = create()
    finish(plain)
    assert store.delete(told())
    assert not Callback.objects.exists()


def test_the_delivery_is_a_task_of_the_same_project_with_its_own_retries(configure):
    configure(callback_max_attempts=5, callback_retry_base_seconds=7)
    task_id = told(project_id=1, priority=0, tags=["a"], max_attempts=1)
    finish(task_id)
    delivery.deliver()
    (telling,) = deliveries(task_id)
    assert (telling.operation, telling.queue, telling.tags) == ("http.request", "callbacks", ["callback"])
    assert (telling.priority, telling.max_attempts, telling.retry_base_seconds) == (5, 5, 7)
    assert (telling.project_id, telling.callback_url, telling.status) == (1, None, "PENDING")
    assert telling.arguments["url"] == URL
    resolve("http.request").validate("http.request", telling.arguments)


def test_the_delivery_of_another_project_s_task_is_of_that_project():
    finish(told(project_id=7))
    delivery.deliver()
    assert Task.objects.get(queue="callbacks").project_id == 7
    assert Callback.objects.get().project_id == 7


def test_a_telling_rings_the_queue_of_callbacks(rings):
    finish(told())
    rings.clear()
    delivery.deliver()
    assert rings == ["callbacks"]


# --- nothing is lost, nothing doubled ------------------------------------------------------------------------


def test_an_end_that_is_rolled_back_is_not_noted():
    task_id = told()
    (held,) = claim()
    with transaction.atomic():
        store.finish([ending(held)], at(1))
        assert Callback.objects.count() == 1
        transaction.set_rollback(True)
    assert status_of(task_id) == "STARTED"
    assert not Callback.objects.exists()


@pytest.mark.parametrize("moment", [(store, "create"), (outbox, "mark"), (outbox, "drop")])
def test_a_sweep_that_dies_in_the_middle_leaves_the_end_to_the_next_one(monkeypatch, moment):
    task_id = told()
    finish(task_id)
    module, name = moment
    step = getattr(module, name)

    def die(*arguments: Any) -> None:
        step(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, name, die)
        with pytest.raises(KeyboardInterrupt):
            delivery.deliver()
    assert not Task.objects.filter(queue="callbacks").exists()
    assert delivery.deliver() == 1
    assert len(deliveries(task_id)) == 1


def test_two_sweeps_at_once_tell_each_end_once():
    ids = [told() for _ in range(30)]
    store.finish([ending(each) for each in claim()], at(1))

    def sweep() -> int:
        number = 0
        while some := delivery.deliver(limit=7):
            number += some
        return number

    assert sum(at_once([sweep, sweep])) == 30
    assert Task.objects.filter(queue="callbacks").count() == 30
    assert {len(deliveries(task_id)) for task_id in ids} == {1}


def test_a_sweep_leaves_out_what_another_one_holds(monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    (a, b) = (told(), told())
    store.finish([ending(each) for each in claim()], at(1))
    has_looked, may_go_on = threading.Event(), threading.Event()
    mark = outbox.mark

    def wait(*arguments: Any) -> None:
        has_looked.set()
        assert may_go_on.wait(30)
        mark(*arguments)

    monkeypatch.setattr(outbox, "mark", wait)

    def first() -> int:
        return delivery.deliver(limit=1)

    def second() -> int:
        assert has_looked.wait(30)
        monkeypatch.setattr(outbox, "mark", mark)
        try:
            return delivery.deliver()
        finally:
            may_go_on.set()

    assert at_once([first, second]) == [1, 1]
    assert (len(deliveries(a)), len(deliveries(b))) == (1, 1)


def test_the_database_takes_no_second_note_of_one_end():
    task_id = told()
    finish(task_id)
    with pytest.raises(IntegrityError):
        Callback.objects.create(task_id=task_id, ended_at=at(1))


def test_what_is_left_of_a_task_that_somebody_removed_is_dropped():
    task_id = told()
    finish(task_id)
    Task.objects.filter(task_id=task_id).delete()
    assert (delivery.deliver(), delivery.deliver()) == (1, 0)
    assert not Callback.objects.exists()


def broken(monkeypatch: pytest.MonkeyPatch, task_id: UUID, failure: Exception | None) -> None:
    """Have the delivery of this task's end fail: by this error, or by the database, which takes no such priority."""
    make = delivery.new_delivery

    def make_badly(task: Task) -> Any:
        if task.pk != task_id:
            return make(task)
        if failure is not None:
            raise failure
        return replace(make(task), priority=99)

    monkeypatch.setattr(delivery, "new_delivery", make_badly)


@pytest.mark.parametrize("failure", [None, DataError("x"), ValueError("x"), RecursionError()])
def test_an_end_that_cannot_be_told_holds_up_no_other(monkeypatch, caplog, failure):
    ids = [told() for _ in range(3)]
    store.finish([ending(each) for each in claim()], at(1))
    with monkeypatch.context() as patched:
        broken(patched, ids[1], failure)
        assert (delivery.deliver(), delivery.deliver()) == (3, 0)
    assert [len(deliveries(task_id)) for task_id in (ids[0], ids[2])] == [1, 1]
    [line] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert (line.task_id, line.exc_info is not None) == (str(ids[1]), True)
    [entry] = deliveries_of(Task.objects.get(task_id=ids[1]))
    assert (entry.task, entry.attempts) == (None, [])
    # As docs/callbacks.md has it, once the reason is mended.
    Callback.objects.filter(delivery_task_id=outbox.CANNOT).update(delivery_task_id=None)
    assert delivery.deliver() == 1
    assert len(deliveries(ids[1])) == 1


@pytest.mark.parametrize("failure", [OperationalError, InterfaceError, ProgrammingError, MemoryError])
def test_what_is_no_fault_of_an_end_sets_none_apart(monkeypatch, failure):
    ids = [told() for _ in range(2)]
    store.finish([ending(each) for each in claim()], at(1))
    with monkeypatch.context() as patched:
        broken(patched, ids[1], failure())
        with pytest.raises(failure):
            delivery.deliver()
    assert not Callback.objects.exclude(delivery_task_id=None).exists()
    assert delivery.deliver() == 2


@pytest.mark.parametrize("failure", [OperationalError, MemoryError])
def test_nor_does_an_outage_while_the_ends_are_looked_at_one_by_one(monkeypatch, failure):
    ids = [told() for _ in range(2)]
    store.finish([ending(each) for each in claim()], at(1))
    with monkeypatch.context() as patched:
        broken(patched, ids[0], ValueError())
        broken(patched, ids[1], failure())
        with pytest.raises(failure):
            delivery.deliver()
    assert not Callback.objects.exclude(delivery_task_id=None).exists()


def test_the_task_of_an_end_that_cannot_be_told_is_removed_in_its_time(monkeypatch):
    task_id = told()
    finish(task_id)
    broken(monkeypatch, task_id, ValueError())
    assert delivery.deliver() == 1
    assert store.prune(Status.SUCCESS, at(3600)) == 1
    assert not Callback.objects.exists()


# --- what is sent --------------------------------------------------------------------------------------------


def test_the_body_has_every_field_of_the_task_as_the_api_shows_it(client):
    task_id = told(arguments={}, tags=["a", "ü"])
    finish(task_id, result={"n": [1, 2.5, None]})
    delivery.deliver()
    (telling,) = deliveries(task_id)
    shown = client.get(f"/tasks/{task_id}/").json()
    del shown["attempts"]
    data = telling.arguments["json"]["data"]
    assert data == {**shown, "result_omitted": False, "arguments_omitted": False}


@pytest.mark.parametrize(
    ("arguments", "result", "omitted"),
    [
        (2000, 2000, (False, False)),
        (2000, 20_000, (True, False)),
        (9900, 2000, (True, True)),
        (9900, 20_000, (True, True)),
    ],
)
def test_a_body_that_is_too_large_comes_without_the_result_then_without_the_arguments(
    configure, arguments, result, omitted
):
    configure(max_arguments_bytes=10_000)
    task_id = told(arguments={"text": "ü" * (arguments // 2)})
    finish(task_id, result="x" * result)
    delivery.deliver()
    (telling,) = deliveries(task_id)
    data = telling.arguments["json"]["data"]
    assert (data["result_omitted"], data["arguments_omitted"]) == omitted
    assert data["result"] == (None if omitted[0] else "x" * result)
    assert data["arguments"] == ({} if omitted[1] else {"text": "ü" * (arguments // 2)})


# --- repeating and removing ----------------------------------------------------------------------------------


def test_a_task_that_is_repeated_is_told_again():
    task_id = told()
    finish(task_id)
    again = store.retry(task_id)
    assert again is not None
    assert again.callback_url == URL


def test_a_delivery_that_is_repeated_stands_in_the_log_of_its_task():
    task_id = told()
    finish(task_id)
    delivery.deliver()
    (first,) = deliveries(task_id)
    store.cancel([first.pk])
    again = store.retry(first.pk)
    once_more = store.retry(first.pk)
    store.cancel([again.pk])
    of_the_second = store.retry(again.pk)
    assert [task.pk for task in deliveries(task_id)] == [
        first.pk,
        again.pk,
        once_more.pk,
        of_the_second.pk,
    ]
    assert [each.callback.number for each in deliveries_of(Task.objects.get(pk=task_id))] == [0, 1, 2, 3]


def test_a_delivery_that_two_repeat_at_once_is_logged_twice():
    task_id = told()
    finish(task_id)
    delivery.deliver()
    (first,) = deliveries(task_id)
    store.cancel([first.pk])
    at_once([lambda: store.retry(first.pk)] * 4)
    assert sorted(Callback.objects.values_list("number", flat=True)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("arguments", [{}, {"json": 7}, {"json": {"data": {"task_id": "x"}}}])
def test_what_is_no_delivery_is_repeated_without_a_note(arguments):
    (task_id,) = create(new_task("http.request", queue="callbacks", arguments=arguments))
    store.cancel([task_id])
    assert store.retry(task_id) is not None
    assert not Callback.objects.exists()


def test_a_task_that_claims_to_tell_of_another_does_not_get_into_its_log():
    task_id = told()
    finish(task_id)
    delivery.deliver()
    (real,) = deliveries(task_id)
    (forged,) = create(new_task("http.request", queue="callbacks", arguments=real.arguments))
    store.cancel([forged])
    store.retry(forged)
    assert Callback.objects.count() == 1


def test_the_log_is_removed_with_its_task():
    task_id = told()
    finish(task_id)
    delivery.deliver()
    assert store.prune(Status.SUCCESS, at(1) + timedelta(days=1)) == 1
    assert not Callback.objects.exists()
    assert Task.objects.filter(queue="callbacks").count() == 1


def test_a_task_whose_end_is_not_told_yet_is_not_removed():
    (told_id, plain) = (told(), create()[0])
    store.finish([ending(each) for each in claim()], at(1))
    assert store.prune(Status.SUCCESS, at(1) + timedelta(days=1)) == 1
    assert {task.pk for task in Task.objects.filter(status__in=TERMINAL)} == {told_id} != {plain}


def test_a_delivery_that_was_removed_leaves_its_entry_in_the_log():
    task_id = told()
    finish(task_id)
    delivery.deliver()
    Task.objects.filter(queue="callbacks").delete()
    (entry,) = deliveries_of(Task.objects.get(pk=task_id))
    assert entry.callback.delivery_task_id is not None
    assert (entry.task, entry.attempts) == (None, [])


def test_ends_that_cannot_be_told_keep_no_due_task_from_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(limit: int = 0) -> int:
        raise RuntimeError("an end that nothing can tell")

    rung: list[bool] = []
    monkeypatch.setattr(delivery, "deliver", fail)
    monkeypatch.setattr(store, "ring_waiting", lambda: rung.append(True))
    with pytest.raises(RuntimeError):
        tasks.sweep()
    assert rung
