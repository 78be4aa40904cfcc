"""Claiming: who gets which rows, in which order."""

from collections import Counter

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tasks_app import store
from tasks_app.models import Task
from tests.integration.helpers import NOON, at, at_once, claim, create, new_task

pytestmark = pytest.mark.django_db


def test_the_most_urgent_priority_is_claimed_first_then_the_oldest():
    late = create(new_task(priority=5, run_at=at(-1)))
    early = create(new_task(priority=5, run_at=at(-2)))
    urgent = create(new_task(priority=1))
    assert [claim(1)[0].task_id for _ in range(3)] == [*urgent, *early, *late]


def test_one_claim_takes_rows_of_one_priority_only():
    create(*(new_task(priority=9) for _ in range(3)))
    urgent = create(*(new_task(priority=1) for _ in range(2)))
    assert [item.task_id for item in claim(100)] == urgent
    assert len(claim(100)) == 3


def test_started_at_of_an_urgent_claim_is_earlier_than_that_of_the_next_claim():
    create(new_task(priority=9), new_task(priority=1))
    claim(100, now=None)
    claim(100, now=None)
    urgent, other = Task.objects.order_by("priority")
    assert urgent.started_at < other.started_at


def test_a_claim_marks_its_rows_and_raises_their_fence():
    (task_id,) = create()
    (held,) = claim(worker="host/1")
    task = Task.objects.get(task_id=task_id)
    assert (task.status, task.attempt, task.fence, task.worker) == ("STARTED", 1, 1, "host/1")
    assert task.started_at == NOON
    assert task.lease_expires_at == at(60)
    assert (held.fence, held.attempt, held.operation, held.arguments_json) == (1, 1, "4+7", "{}")


def test_a_slow_operation_at_the_head_is_claimed_alone():
    slow = create(new_task("reports.build"))
    quick = create(new_task(), new_task())
    assert [item.task_id for item in claim(slow=["reports.build"])] == slow
    assert [item.task_id for item in claim(slow=["reports.build"])] == quick


def test_a_slow_operation_is_not_taken_along_behind_quick_ones():
    first = create(new_task())
    slow = create(new_task("reports.build"))
    assert [item.task_id for item in claim(slow=["reports.build"])] == first
    assert [item.task_id for item in claim(slow=["reports.build"])] == slow


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite leaves it open what its claim would see")
def test_a_claim_says_whether_others_wait_behind_it():
    create(new_task(), new_task(), new_task(priority=9), new_task(queue="other"))
    assert [item.others_wait for item in claim(1)] == [True]
    assert [item.others_wait for item in claim(9)] == [True]
    assert [item.others_wait for item in claim(9)] == [False]


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has no network, and takes its lock with BEGIN"
)
@pytest.mark.django_db(transaction=True)
def test_a_claim_is_one_message_whose_settings_do_not_outlive_it():
    create(new_task(), new_task())
    claim(1)  # the first one of a connection also prepares it
    with CaptureQueriesContext(connection) as queries:
        assert len(claim()) == 1
    assert len(queries) == 1
    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("on",)


def test_what_is_not_due_or_has_expired_or_stands_in_another_queue_is_not_claimed():
    create(
        new_task(run_at=at(10)),
        new_task(expires_at=at(5)),
        new_task(queue="other"),
    )
    assert claim(now=at(6)) == []


def test_the_claim_says_how_long_the_task_may_still_start():
    create(new_task(expires_at=at(8)))
    assert claim(now=at(6))[0].expires_in == pytest.approx(2, abs=0.01)


def test_released_rows_can_be_claimed_again_with_their_attempt_and_a_higher_fence():
    create()
    (first,) = claim()
    assert store.release([first], NOON) == {first.task_id}
    (second,) = claim()
    assert (second.attempt, second.fence) == (1, 2)


def test_a_stale_claim_cannot_be_released():
    create()
    (first,) = claim()
    store.release([first], NOON)
    claim()
    assert store.release([first], NOON) == set()


@pytest.mark.django_db(transaction=True)
def test_eight_workers_claiming_at_once_get_each_row_once():
    ids = create(*(new_task(priority=index % 3) for index in range(200)))

    def work() -> list:
        mine: list = []
        while claims := claim(7, now=None):
            mine += [item.task_id for item in claims]
        return mine

    taken = Counter(task_id for mine in at_once([work] * 8) for task_id in mine)
    assert taken == Counter(ids)


@pytest.mark.django_db(transaction=True)
def test_a_claim_passes_over_rows_that_another_claim_holds_locked():
    if connection.vendor == "sqlite":
        assert not connection.features.has_select_for_update_skip_locked  # writers are alone there
        return
    first, second = create(new_task(), new_task())
    with transaction.atomic():
        assert [item.task_id for item in claim(1)] == [first]
        (other,) = at_once([lambda: claim(1)])
    assert [item.task_id for item in other] == [second]
