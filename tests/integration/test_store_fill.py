"""Filling a slice: several claims, each of one priority, in the commit that writes the slice before."""

import pytest
from django.db import connection, transaction

from tasks_app import sql, store
from tasks_app.models import Attempt, Task
from tests.integration.helpers import LEASE, at_once, claim, create, ending, new_task, status_of

pytestmark = pytest.mark.django_db
SLOW = ["reports.build"]


def fill(limit=100, endings=(), worker="w1"):
    return store.finish_and_claim(endings, "tasks", worker, limit, lease_seconds=LEASE, slow=SLOW, fill=True)


def ids_of(claims):
    return [item.task_id for item in claims]


def test_a_filled_slice_goes_on_with_less_urgent_tasks_in_their_order():
    least = create(*(new_task(priority=9) for _ in range(2)))
    urgent = create(*(new_task(priority=1) for _ in range(3)))
    middle = create(new_task(priority=5))
    assert ids_of(fill()) == [*urgent, *middle, *least]


def test_each_priority_of_a_filled_slice_starts_later_than_the_more_urgent_one():
    create(*(new_task(priority=priority) for priority in (9, 1, 5, 1)))
    fill()
    started = dict(Task.objects.order_by("priority").values_list("priority", "started_at"))
    assert started[1] < started[5] < started[9]


def test_a_filled_slice_has_no_more_rows_than_its_limit():
    ids = create(*(new_task(priority=priority) for priority in (1, 1, 2, 2, 3)))
    assert ids_of(fill(3)) == ids[:3]
    assert ids_of(fill(3)) == ids[3:]


def test_a_filled_slice_ends_before_a_slow_task_although_quick_ones_wait_behind_it():
    first = create(new_task(priority=1))
    slow = create(new_task("reports.build", priority=2))
    last = create(new_task(priority=3))
    assert [ids_of(fill()) for _ in range(3)] == [first, slow, last]


def test_a_filled_slice_writes_the_slice_before_it_in_the_same_commit():
    done, following = create(new_task(priority=1), new_task(priority=2))
    (held,) = claim(1, now=None)
    with transaction.atomic():
        assert ids_of(fill(endings=[ending(held)])) == [following]
        transaction.set_rollback(True)
    assert (status_of(done), status_of(following), Attempt.objects.count()) == ("STARTED", "PENDING", 0)
    assert ids_of(fill(endings=[ending(held)])) == [following]
    assert (status_of(done), Attempt.objects.count()) == ("SUCCESS", 1)


@pytest.mark.django_db(transaction=True)
def test_a_claim_of_a_filled_slice_that_fails_takes_all_of_it_back(monkeypatch):
    ids = create(new_task(priority=1), new_task(priority=2))
    monkeypatch.setattr(sql, "claim_behind", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fill()
    assert {(status_of(task_id), Task.objects.get(task_id=task_id).fence) for task_id in ids} == {
        ("PENDING", 0)
    }


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's writers are alone")
@pytest.mark.django_db(transaction=True)
def test_a_slow_task_that_a_filled_slice_leaves_is_not_locked_by_it():
    """Else another worker would pass over it, and begin what is less urgent."""
    first = create(new_task(priority=1))
    slow = create(new_task("reports.build", priority=2))
    create(new_task(priority=3))
    with transaction.atomic():
        assert ids_of(fill()) == first
        (other,) = at_once([lambda: ids_of(claim(slow=SLOW, worker="w2", now=None))])
    assert other == slow


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's writers are alone")
@pytest.mark.django_db(transaction=True)
def test_a_filled_slice_passes_over_rows_that_another_claim_holds_locked():
    one, two, three, four = create(*(new_task(priority=priority) for priority in (1, 2, 2, 2)))
    with transaction.atomic():
        assert ids_of(claim(2, now=None)) == [one]
        assert ids_of(claim(1, now=None)) == [two]
        (other,) = at_once([lambda: ids_of(fill(worker="w2"))])
    assert other == [three, four]


@pytest.mark.django_db(transaction=True)
def test_eight_workers_that_fill_their_slices_at_once_get_each_row_once():
    ids = create(*(new_task(priority=index % 10) for index in range(200)))

    def work():
        mine = []
        while claims := fill(25):
            mine += ids_of(claims)
        return mine

    taken = [task_id for mine in at_once([work] * 8) for task_id in mine]
    assert sorted(taken) == sorted(ids)
