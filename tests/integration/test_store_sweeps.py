"""Creating, cancelling, deleting, retrying, and the sweeps: promote, expire, prune, ring."""

import pytest
from django.db import IntegrityError, connection, transaction

from tasks_app import store
from tasks_app.lifecycle import Status
from tasks_app.models import Attempt, Task
from tests.integration.helpers import at, at_once, claim, create, ending, new_task, status_of

pytestmark = pytest.mark.django_db


def finished(now=1, status=Status.SUCCESS):
    (task_id,) = create()
    store.finish([ending(claim()[0], status)], at(now))
    return task_id


@pytest.mark.django_db(transaction=True)
def test_a_batch_rings_each_queue_once_and_only_for_work_that_is_due(rings):
    create(new_task(), new_task(), new_task(queue="b"), new_task(queue="later", run_at=at(60)))
    assert rings == ["b", "tasks"]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_rung_when_the_transaction_is_rolled_back(rings):
    with transaction.atomic():
        create()
        transaction.set_rollback(True)
    assert rings == []
    assert Task.objects.count() == 0


def test_ids_rise_in_the_order_of_creation():
    ids = create(*(new_task() for _ in range(50)))
    assert ids == sorted(ids)


def test_a_scheduled_task_becomes_pending_when_its_time_comes():
    (task_id,) = create(new_task(run_at=at(60)))
    assert status_of(task_id) == "SCHEDULED"
    assert store.promote(at(59)) == 0
    assert store.promote(at(60)) == 1
    assert status_of(task_id) == "PENDING"


def test_the_next_promotion_is_told_in_time():
    create(new_task(run_at=at(60)), new_task(run_at=at(30), expires_at=at(30)))
    assert store.next_promotion(at(0), at(90)) == at(60)
    assert store.next_promotion(at(0), at(59)) is None


def test_waiting_tasks_expire_and_say_why():
    pending, scheduled = create(new_task(expires_at=at(5)), new_task(run_at=at(9), expires_at=at(9)))
    assert store.expire(at(5)) == 1
    assert status_of(pending) == "EXPIRED"
    assert store.promote(at(9)) == 0
    assert store.expire(at(9)) == 1
    assert Task.objects.get(task_id=scheduled).error["code"] == "expired"


def test_a_running_task_does_not_expire():
    (task_id,) = create(new_task(expires_at=at(5)))
    claim()
    assert store.expire(at(6)) == 0
    assert status_of(task_id) == "STARTED"


def test_a_waiting_task_is_cancelled_at_once_and_a_running_one_is_asked():
    waiting, running = create(new_task(priority=5), new_task(priority=1))
    claim(1)
    assert store.cancel([waiting, running], at(1)) == {waiting, running}
    assert status_of(waiting) == "CANCELLED"
    task = Task.objects.get(task_id=running)
    assert (task.status, task.cancel_requested_at) == ("STARTED", at(1))
    assert store.cancel([waiting, running], at(2)) == set()


def test_a_claimed_row_that_was_cancelled_before_it_began_ends_when_it_is_released():
    (task_id,) = create()
    (held,) = claim()
    store.cancel([task_id], at(1))
    store.release([held], at(2))
    assert status_of(task_id) == "CANCELLED"


@pytest.mark.django_db(transaction=True)
def test_of_a_cancel_and_a_claim_at_once_exactly_one_wins():
    for _ in range(10):
        (task_id,) = create()
        claims, cancelled = at_once([lambda: claim(1, now=None), lambda key=task_id: store.cancel([key])])
        task = Task.objects.get(task_id=task_id)
        assert cancelled == {task_id}
        assert (task.status == "STARTED") == bool(claims)
        Task.objects.all().delete()


def test_only_a_task_that_has_not_begun_can_be_deleted():
    waiting, begun = create(new_task(priority=5), new_task(priority=1))
    claim(1)
    assert store.delete(waiting) is True
    assert store.delete(begun) is False
    assert store.delete(waiting) is False


def test_a_key_stands_for_one_unfinished_task():
    (first,) = create(new_task(unique_key="invoice-7"))
    again, other, plain = create(
        new_task(unique_key="invoice-7"), new_task(unique_key="invoice-8"), new_task()
    )
    assert again == first
    assert len({first, other, plain}) == Task.objects.count() == 3


def test_an_id_that_exists_already_is_an_error():
    new = new_task()
    create(new)
    with pytest.raises(IntegrityError), transaction.atomic():
        create(new)


def test_a_key_is_free_again_when_its_task_is_finished():
    (first,) = create(new_task(unique_key="invoice-7"))
    store.finish([ending(claim()[0])], at(1))
    (second,) = create(new_task(unique_key="invoice-7"))
    assert first != second


def test_a_key_that_stands_twice_in_a_batch_makes_one_task():
    first, second = create(new_task(unique_key="x"), new_task(unique_key="x"))
    assert first == second


@pytest.mark.django_db(transaction=True)
def test_of_eight_requests_at_once_with_one_key_one_makes_the_task():
    answers = at_once([lambda: create(new_task(unique_key="x"), now=None)] * 8)
    assert len({task_id for (task_id,) in answers}) == 1
    assert Task.objects.count() == 1


def test_a_retry_is_a_new_task_that_names_the_old_one():
    old = finished(status=Status.ERROR)
    fresh = store.retry(old, at(5))
    assert fresh is not None
    assert (fresh.retry_of, fresh.status, fresh.attempt, fresh.operation) == (old, "PENDING", 0, "4+7")
    assert status_of(old) == "ERROR"
    assert store.retry(fresh.task_id, at(6)) is None


def test_pruning_deletes_old_tasks_of_one_status_with_their_attempts():
    old, recent, failed = finished(1), finished(100), finished(1, Status.ERROR)
    assert store.prune(Status.SUCCESS, at(50)) == 1
    assert set(Task.objects.values_list("task_id", flat=True)) == {recent, failed}
    assert not Attempt.objects.filter(task_id=old).exists()
    assert Attempt.objects.count() == 2


def test_the_sweeper_rings_every_queue_that_has_waiting_work(rings):
    create(new_task(), new_task(queue="a"), new_task(queue="later", run_at=at(60)), now=at(0))
    rings.clear()
    assert store.ring_waiting() == 2
    assert rings == ["a", "tasks"]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "DREAMING"},
        {"priority": 10},
        {"attempt": 4},
        {"status": "STARTED"},
        {"status": "SUCCESS"},
        {"finished_at": at(0)},
    ],
)
def test_the_database_refuses_a_row_that_the_lifecycle_does_not_know(fields):
    (task_id,) = create()
    with pytest.raises(IntegrityError), transaction.atomic():
        Task.objects.filter(task_id=task_id).update(**fields)


@pytest.mark.parametrize("trigger", ["tasks_task_terminal", "tasks_task_ended"])
def test_the_triggers_are_installed_after_all_migrations(trigger):
    table = "pg_trigger" if connection.vendor == "postgresql" else "sqlite_master"
    column = "tgname" if connection.vendor == "postgresql" else "name"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {column} = '{trigger}'")
        assert cursor.fetchone()[0] == 1
