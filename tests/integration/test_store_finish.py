"""Finishing, fencing, rescuing: who may end an attempt, and what remains of it."""

import pytest
from django.db import IntegrityError, connection, transaction

from tasks_app import sql, store
from tasks_app.lifecycle import MAX_CRASHES, Outcome, Status
from tasks_app.models import Attempt, Task
from tests.integration.helpers import LEASE, at, at_once, claim, create, ending, new_task, status_of

pytestmark = pytest.mark.django_db


def rescue(now, draw=0.5):
    return store.rescue(now, draw=lambda: draw)


def test_a_success_is_written_with_its_result_and_its_attempt():
    (task_id,) = create()
    (held,) = claim(now=at(1))
    assert store.finish([ending(held, result={"sum": [11, None, "ü"]})], at(2)) == {task_id}
    task = Task.objects.get(task_id=task_id)
    assert (task.status, task.result, task.error, task.finished_at) == (
        "SUCCESS",
        {"sum": [11, None, "ü"]},
        None,
        at(2),
    )
    assert task.lease_expires_at is None
    (attempt,) = task.attempts.all()
    assert (attempt.number, attempt.outcome, attempt.worker) == (1, "SUCCESS", "w1")
    assert (attempt.started_at, attempt.finished_at, attempt.runtime_seconds) == (at(1), at(2), 0.5)


@pytest.mark.parametrize("result", [None, 0, False, "", [], {}, 1.5, 2**63 - 1, 'quote " and \\ slash'])
def test_any_json_value_comes_back_as_it_was(result):
    (task_id,) = create()
    store.finish([ending(claim()[0], result=result)], at(1))
    stored = Task.objects.get(task_id=task_id).result
    assert stored == result
    assert type(stored) is type(result)


def test_a_stale_worker_cannot_finish_a_rescued_task():
    (task_id,) = create()
    (stale,) = claim()
    assert rescue(at(LEASE + 1)) == {task_id}
    store.promote(at(LEASE + 100))
    (fresh,) = claim(now=at(LEASE + 100))
    assert store.finish([ending(stale, result="stale")], at(LEASE + 101)) == set()
    assert store.finish([ending(fresh, result="fresh")], at(LEASE + 102)) == {task_id}
    assert Task.objects.get(task_id=task_id).result == "fresh"


def test_finishing_the_same_claim_twice_changes_nothing_the_second_time():
    (task_id,) = create()
    (held,) = claim()
    store.finish([ending(held, result=1)], at(1))
    assert store.finish([ending(held, result=2)], at(2)) == set()
    assert Task.objects.get(task_id=task_id).result == 1
    assert Attempt.objects.count() == 1


def test_of_two_endings_of_one_claim_in_one_call_the_first_is_kept_and_the_rest_is_written():
    (twice, once) = create(new_task(), new_task())
    claims = {item.task_id: item for item in claim()}
    endings = [
        ending(claims[twice], result="first"),
        ending(claims[once], result="other"),
        ending(claims[twice], Status.RETRY, wait_seconds=1),
    ]
    assert store.finish(endings, at(1)) == {twice, once}
    assert dict(Task.objects.values_list("task_id", "result")) == {twice: "first", once: "other"}
    assert sorted(attempt.outcome for attempt in Attempt.objects.all()) == ["SUCCESS", "SUCCESS"]


def test_a_stale_ending_does_not_keep_the_fresh_one_of_the_same_task_from_being_written():
    (task_id,) = create()
    (stale,) = claim()
    store.release([stale], at(1))
    (fresh,) = claim(now=at(2))
    assert store.finish([ending(stale, result="stale"), ending(fresh, result="fresh")], at(3)) == {task_id}
    assert Task.objects.get(task_id=task_id).result == "fresh"
    assert [attempt.fence for attempt in Attempt.objects.all()] == [fresh.fence]


def test_a_retry_waits_as_long_as_its_ending_says():
    (task_id,) = create()
    store.finish([ending(claim()[0], Status.RETRY, wait_seconds=7.5, error={"code": "x"})], at(1))
    task = Task.objects.get(task_id=task_id)
    assert (task.status, task.run_at, task.error) == ("RETRY", at(8.5), {"code": "x"})
    assert store.promote(at(8)) == 0
    assert store.promote(at(9)) == 1
    assert claim(now=at(9))[0].attempt == 2


def test_a_retry_of_a_task_that_somebody_cancelled_ends_as_cancelled():
    (task_id,) = create()
    (held,) = claim()
    assert store.cancel([task_id], at(1)) == {task_id}
    store.finish([ending(held, Status.RETRY, wait_seconds=1)], at(2))
    assert status_of(task_id) == "CANCELLED"


def test_a_cancelled_task_keeps_the_run_at_of_its_last_attempt():
    (task_id,) = create()
    (held,) = claim()
    store.cancel([task_id], at(1))
    store.finish([ending(held, Status.RETRY, wait_seconds=3600)], at(2))
    assert Task.objects.get(task_id=task_id).run_at == at(0)


def test_a_success_that_wins_against_a_cancellation_stands():
    (task_id,) = create()
    (held,) = claim()
    store.cancel([task_id], at(1))
    assert store.cancel_requested([held]) == {task_id}
    store.finish([ending(held, result=1)], at(2))
    assert status_of(task_id) == "SUCCESS"


def test_a_heartbeat_keeps_a_task_from_being_rescued():
    (task_id,) = create()
    (held,) = claim()
    assert store.heartbeat([held], lease_seconds=LEASE, now=at(50)) == {task_id}
    assert rescue(at(LEASE + 1)) == set()
    assert rescue(at(50 + LEASE + 1)) == {task_id}
    assert store.heartbeat([held], lease_seconds=LEASE, now=at(200)) == set()


def test_a_rescue_checks_the_lease_again_in_its_write():
    (task_id,) = create()
    (held,) = claim()
    lost = ending(held, Status.RETRY, outcome=Outcome.LOST, wait_seconds=1)
    store.heartbeat([held], lease_seconds=LEASE, now=at(59))
    assert store.finish([lost], at(LEASE + 1)) == set()
    assert status_of(task_id) == "STARTED"


def test_a_lost_attempt_is_kept_and_the_task_waits_for_the_next():
    (task_id,) = create()
    claim()
    rescue(at(LEASE + 1))
    task = Task.objects.get(task_id=task_id)
    assert (task.status, task.crashes, task.run_at) == ("RETRY", 1, at(LEASE + 2))
    assert task.error["code"] == "worker_lost"
    assert [(a.number, a.outcome) for a in task.attempts.all()] == [(1, "LOST")]


def test_a_task_that_keeps_killing_its_worker_ends_as_error_with_attempts_left():
    (task_id,) = create(new_task(max_attempts=50))
    now = 0.0
    for _ in range(3):
        store.promote(at(now))
        assert claim(now=at(now))
        now += LEASE + 100
        rescue(at(now))
        now += 100
    assert status_of(task_id) == "ERROR"
    assert Attempt.objects.filter(task_id=task_id).count() == 3


@pytest.mark.parametrize("spent", [{"max_attempts": 1}, {"crashes": MAX_CRASHES - 1}])
def test_a_cancel_between_a_rescuers_look_and_its_write_ends_a_spent_task_as_cancelled(spent, monkeypatch):
    (task_id,) = create()
    claim()
    Task.objects.filter(task_id=task_id).update(**spent)
    finish = store.finish

    def finish_after_a_cancel(endings, now):
        assert [item.status for item in endings] == ["ERROR"]
        assert store.cancel([task_id], now) == {task_id}
        return finish(endings, now)

    monkeypatch.setattr(store, "finish", finish_after_a_cancel)
    assert rescue(at(LEASE + 1)) == {task_id}
    assert status_of(task_id) == "CANCELLED"
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["LOST"]


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.LOST, Outcome.SUCCESS, Outcome.CANCELLED}))
def test_an_error_for_good_that_its_own_worker_wrote_stands_against_a_cancellation(outcome):
    (task_id,) = create()
    (held,) = claim()
    store.cancel([task_id], at(1))
    store.finish([ending(held, Status.ERROR, outcome=outcome)], at(2))
    assert status_of(task_id) == "ERROR"


def test_a_terminal_row_refuses_every_change_whoever_writes():
    (task_id,) = create()
    store.finish([ending(claim()[0])], at(1))
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        Task.objects.filter(task_id=task_id).update(result="tampered")
    assert store.cancel([task_id], at(2)) == set()
    assert store.delete(task_id) is False


def test_many_endings_are_written_together_and_losers_are_left_out():
    create(*(new_task() for _ in range(20)))
    claims = claim()
    store.release(claims[:5], at(1))
    won = store.finish([ending(item, result=item.fence) for item in claims], at(2))
    assert won == {item.task_id for item in claims[5:]}
    assert Attempt.objects.count() == 15


def test_progress_is_kept_while_the_claim_holds_and_begins_anew_with_the_next():
    (task_id,) = create()
    (held,) = claim()
    assert store.progress(held, {"done": 3, "total": 9, "note": "ü"}) is True
    assert Task.objects.get(task_id=task_id).progress == {"done": 3, "total": 9, "note": "ü"}
    store.release([held], at(1))
    assert store.progress(held, {"done": 4}) is False
    claim()
    assert Task.objects.get(task_id=task_id).progress is None


def next_slice(endings, now, limit=100):
    return store.finish_and_claim(endings, "tasks", "w1", limit, lease_seconds=LEASE, now=now)


def test_a_finish_that_claims_writes_what_ended_and_takes_what_is_next():
    first, second = create(new_task(run_at=at(-1)), new_task())
    (held,) = claim(1, now=at(2))
    (following,) = next_slice([ending(held, result=1)], at(3))
    assert (following.task_id, following.fence, following.attempt) == (second, 1, 1)
    assert dict(Task.objects.values_list("task_id", "status")) == {first: "SUCCESS", second: "STARTED"}
    assert [(attempt.task_id, attempt.outcome) for attempt in Attempt.objects.all()] == [(first, "SUCCESS")]


def test_a_finish_that_claims_drops_a_stale_ending_and_claims_all_the_same():
    stale_id, other = create(new_task(run_at=at(-1)), new_task())
    (stale,) = claim(1, now=at(2))
    rescue(at(LEASE + 3))
    (following,) = next_slice([ending(stale, result="stale")], at(LEASE + 4))
    assert following.task_id == other
    assert Task.objects.get(task_id=stale_id).status == "RETRY"
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["LOST"]


def test_a_task_that_a_finish_sends_into_its_retry_is_not_claimed_with_it():
    (task_id,) = create()
    (held,) = claim()
    assert next_slice([ending(held, Status.RETRY, wait_seconds=0.0)], at(1)) == []
    assert status_of(task_id) == "RETRY"


def test_a_finish_that_claims_ends_what_was_cancelled_meanwhile_and_leaves_what_waited_cancelled():
    running, waiting = create(new_task(run_at=at(-1)), new_task())
    (held,) = claim(1, now=at(2))
    store.cancel([running, waiting], at(3))
    assert next_slice([ending(held, Status.RETRY, wait_seconds=1)], at(4)) == []
    assert (status_of(running), status_of(waiting)) == ("CANCELLED", "CANCELLED")


def test_a_finish_that_claims_takes_the_urgent_task_that_came_during_the_slice():
    create(*(new_task(priority=5) for _ in range(3)))
    (held,) = claim(1)
    urgent = create(new_task(priority=1), now=at(1))
    assert [item.task_id for item in next_slice([ending(held)], at(2))] == urgent


def test_a_finish_that_claims_writes_both_or_neither(monkeypatch):
    create(new_task(run_at=at(-1)), new_task())
    (held,) = claim(1, now=at(2))
    monkeypatch.setattr(
        sql, "_CLAIM", sql._CLAIM.replace("attempt = attempt + 1", "attempt = max_attempts + 1")
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        next_slice([ending(held)], at(3))
    assert status_of(held.task_id) == "STARTED"
    assert Attempt.objects.count() == 0


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_finish_that_claims_waits_for_nobody_who_claims_and_takes_what_they_leave():
    create(*(new_task(run_at=at(-number)) for number in range(3)))
    (held,) = claim(1, now=at(5))
    with transaction.atomic():
        (theirs,) = claim(1, now=at(5), worker="w2")
        (mine,) = at_once([lambda: next_slice([ending(held)], at(6))])
    assert len({held.task_id, theirs.task_id, *(item.task_id for item in mine)}) == 3
    assert status_of(held.task_id) == "SUCCESS"
