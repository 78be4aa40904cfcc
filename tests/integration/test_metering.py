"""What is counted of tasks and schedules: once each, where it happens, and not what is rolled back."""

from datetime import timedelta

import pytest
from django.db import transaction

from scheduler_service.metrics import counts
from scheduler_service.metrics.catalog import (
    ATTEMPTS,
    FLOWER_LEFT_OUT,
    LEASES_EXPIRED,
    OCCURRENCES,
    RINGS,
    TASK_RUN,
    TASK_WAIT,
    TASKS_CREATED,
    TASKS_FINISHED,
    TASKS_RESCUED,
)
from schedules_app import store as schedule_store
from tasks_app import doorbell, metering, store
from tasks_app.drain import LeasedStore, Worker
from tasks_app.events import LeftOut
from tasks_app.lifecycle import Outcome, Status
from tests.integration import schedules
from tests.integration.helpers import NOON, at, claim, create, ending, new_task
from tests.integration.http import post

pytestmark = pytest.mark.django_db(transaction=True)


def sums(metric):
    return {key[1:]: value for key, value in counts.totals().sums.items() if key[0] == metric.name}


def sum_of(metric, *labels):
    return sums(metric).get((*labels, "sum"), 0.0)


def count_of(metric):
    return sum(value for key, value in sums(metric).items() if key[-1] != "sum")


def test_tasks_are_counted_by_operation_queue_and_first_status():
    create(new_task(), new_task("1+1", queue="a"), new_task("debug.sleep", run_at=at(10)))
    assert sums(TASKS_CREATED) == {
        ("arithmetic", "tasks", "PENDING"): 1,
        ("arithmetic", "a", "PENDING"): 1,
        ("debug.sleep", "tasks", "SCHEDULED"): 1,
    }


@pytest.mark.parametrize("mixed", [False, True])
def test_the_tasks_of_a_batch_are_counted(mixed):
    items = [{"operation": f"{number}+1", "priority": number % 3} for number in range(9)]
    items += [{"operation": "arithmetic", "arguments": {"expression": "1+1"}, "queue": "b"}] if mixed else []
    assert post("/tasks/batch-request/", items).status_code == 202
    expected = {("arithmetic", "tasks", "PENDING"): 9}
    assert sums(TASKS_CREATED) == (expected | {("arithmetic", "b", "PENDING"): 1} if mixed else expected)


def test_a_batch_of_one_shape_with_names_and_expressions_is_counted_by_each():
    items = [{"operation": name, "queue": queue} for name in ("1+1", "debug.fail", "2+2") for queue in "ab"]
    assert post("/tasks/batch-request/", items).status_code == 202
    assert sums(TASKS_CREATED) == {
        (name, queue, "PENDING"): 2 if name == "arithmetic" else 1
        for name in ("arithmetic", "debug.fail")
        for queue in "ab"
    }


def test_what_is_rolled_back_was_not_created():
    with transaction.atomic():
        create()
        transaction.set_rollback(True)
    assert sums(TASKS_CREATED) == {}


def test_a_task_whose_key_another_has_is_not_counted():
    create(new_task(unique_key="k"), new_task(unique_key="k"))
    assert sum(sums(TASKS_CREATED).values()) == 1


def test_a_drain_counts_attempts_ends_and_times():
    create(*(new_task(f"{number}+1") for number in range(20)), new_task("1/0"), now=store.database_now())
    Worker().drain("tasks", "here", 5.0)
    assert sums(ATTEMPTS) == {("arithmetic", "SUCCESS"): 20, ("arithmetic", "ERROR"): 1}
    assert sums(TASKS_FINISHED) == {
        ("arithmetic", "tasks", "SUCCESS"): 20,
        ("arithmetic", "tasks", "ERROR"): 1,
    }
    assert count_of(TASK_RUN) == count_of(TASK_WAIT) == 21
    assert 0 < sum_of(TASK_RUN, "arithmetic") < 21


def test_the_wait_is_that_between_run_at_and_the_claim_by_the_databases_clock():
    create(new_task(), new_task(run_at=at(-30)))
    store.promote(at(0))
    claims = claim(now=at(12))
    assert [one.waited for one in claims] == [pytest.approx(42, abs=0.01), pytest.approx(12, abs=0.01)]
    LeasedStore().finish([ending(one) for one in claims])
    assert sum_of(TASK_WAIT, "tasks") == pytest.approx(54, abs=0.1)


def test_a_failed_attempt_that_is_tried_again_is_no_end():
    create()
    [held] = claim()
    LeasedStore().finish([ending(held, Status.RETRY)])
    assert sums(ATTEMPTS) == {("arithmetic", "ERROR"): 1}
    assert sums(TASKS_FINISHED) == {}


def test_the_ending_of_a_stale_worker_is_not_counted():
    create()
    [held] = claim()
    store.release([held])
    claim()
    LeasedStore().finish([ending(held)])
    assert sums(ATTEMPTS) == {}


def test_endings_with_one_status_and_several_outcomes_are_all_counted():
    create(new_task(), new_task())
    one, other = claim()
    ends = [ending(one, Status.ERROR), ending(other, Status.ERROR, outcome=Outcome.TIMEOUT)]
    LeasedStore().finish(ends)
    assert sums(TASKS_FINISHED) == {("arithmetic", "tasks", "ERROR"): 2}
    assert sums(ATTEMPTS) == {("arithmetic", "ERROR"): 1, ("arithmetic", "TIMEOUT"): 1}


def test_a_slice_of_several_operations_is_parted():
    create(new_task("1+1"), new_task("debug.sleep"), new_task("debug.sleep"))
    LeasedStore().finish([ending(held) for held in claim()])
    assert sum_of(TASK_RUN, "arithmetic") == 0.5
    assert sum_of(TASK_RUN, "debug.sleep") == 1.0


def test_rescues_and_expired_leases_are_counted():
    create()
    claim(now=at(0))
    store.rescue(at(30))
    assert sums(LEASES_EXPIRED) == {}
    store.rescue(at(61))
    assert sums(LEASES_EXPIRED) == sums(TASKS_RESCUED) == {(): 1}
    assert sums(ATTEMPTS) == {("arithmetic", "LOST"): 1}


def test_expired_and_cancelled_tasks_are_ends():
    create(new_task(expires_at=at(1)), new_task("debug.sleep", expires_at=at(1), queue="q"))
    store.expire(at(2))
    store.cancel(create(new_task(), new_task(queue="q")))
    assert sums(TASKS_FINISHED) == {
        ("arithmetic", "tasks", "EXPIRED"): 1,
        ("debug.sleep", "q", "EXPIRED"): 1,
        ("arithmetic", "tasks", "CANCELLED"): 1,
        ("arithmetic", "q", "CANCELLED"): 1,
    }


def test_an_operation_that_nobody_knows_has_no_label_of_its_own():
    assert metering.operation_label("gone.operation") == "unknown"
    assert metering.operation_label("(1+1)") == "arithmetic"


def test_occurrences_are_counted_by_verdict_and_reason():
    schedules.create(count=2)
    schedules.create(catch_up="skip")
    schedule_store.fire_due(at(0))
    schedule_store.fire_due(NOON + timedelta(hours=5, minutes=30))
    told = sums(OCCURRENCES)
    assert told[("FIRED", "")] == 3
    assert told[("SKIPPED", "missed")] >= 5
    assert sum(told.values()) == 3 * 6


def test_a_trigger_is_an_occurrence():
    [key] = schedules.create()
    schedule_store.trigger(key, at(60))
    assert sums(OCCURRENCES) == {("FIRED", ""): 1}


@pytest.mark.parametrize(("answer", "result"), [(True, "sent"), (False, "full"), (OSError("away"), "failed")])
def test_rings_are_counted_by_what_became_of_them(monkeypatch, answer, result):
    def push(*arguments):
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(doorbell, "_quiet_until", 0.0)
    monkeypatch.setattr(doorbell.redisbell, "push", push)
    monkeypatch.setattr(doorbell.redisbell, "is_redis", lambda connection: True)
    doorbell.send("drain", [], "tasks", 1)
    assert sums(RINGS) == {(result,): 1}
    if result == "failed":
        doorbell.send("drain", [], "tasks", 1)
        assert sums(RINGS)[("held_back",)] == 1


def test_what_flower_is_not_told_of_is_counted():
    LeftOut().add(7)
    assert sums(FLOWER_LEFT_OUT) == {(): 7}


def test_a_fault_in_counting_ends_no_drain(monkeypatch):
    create(now=store.database_now())
    monkeypatch.setattr(metering, "_times", None)
    assert Worker().drain("tasks", "here", 5.0) == 1
