"""The checker is content with a good history, and catches each kind of violation in one that was spoilt."""

from dataclasses import replace

import pytest

from tests.chaos.checker import check, standstills
from tests.chaos.history import Outcome
from tests.chaos.samples import TASK, a_call, a_run, changes, good, kinds, with_change, with_task


def test_a_good_history_has_no_violation() -> None:
    assert check(good()) == []


def test_a_lost_task_is_caught_and_named() -> None:
    violations = check(good(tasks=good().tasks[1:]))
    assert [violation.ids for violation in violations if violation.kind == "lost"] == [(TASK,)]


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.UNKNOWN])
def test_a_task_that_may_have_been_deleted_is_not_lost(outcome: Outcome) -> None:
    deleted = a_call("delete", outcome=outcome, ended=150.0)
    assert "lost" not in kinds(good(tasks=good().tasks[1:], calls=[*good().calls, deleted]))


def test_a_refused_delete_excuses_nothing() -> None:
    refused = a_call("delete", outcome=Outcome.FAILED)
    assert "lost" in kinds(good(tasks=good().tasks[1:], calls=[*good().calls, refused]))


@pytest.mark.parametrize("status", ["SCHEDULED", "PENDING", "STARTED", "RETRY"])
def test_a_task_without_an_end_is_caught(status: str) -> None:
    assert "unfinished" in kinds(with_task(status=status, finished_at=None))


def test_half_a_batch_of_unknown_outcome_is_caught() -> None:
    batch = a_call("batch", outcome=Outcome.UNKNOWN, status=None, items=2, task_ids=())
    assert kinds(good(calls=[batch, good().calls[1]])) == {"torn"}


@pytest.mark.parametrize("label", ["a", "another"])
def test_a_submission_of_unknown_outcome_may_have_happened_or_not(label: str) -> None:
    unknown = a_call(outcome=Outcome.UNKNOWN, status=503, task_ids=(), label=label)
    assert kinds(good(calls=[unknown, good().calls[1]])) == set()


def test_a_refused_submission_that_happened_is_caught() -> None:
    refused = a_call(outcome=Outcome.FAILED, status=400, task_ids=())
    assert kinds(good(calls=[refused, good().calls[1]])) == {"torn"}


def test_more_tasks_than_were_submitted_are_caught() -> None:
    twin = replace(good().tasks[0], task_id="task-3")
    assert "created_twice" in kinds(good(tasks=[*good().tasks, twin]))


def test_one_task_for_two_submissions_is_caught() -> None:
    assert "same_task" in kinds(good(calls=[*good().calls, a_call(label="b")]))


def test_a_run_after_success_is_caught() -> None:
    late = a_run(attempt=2, nonce="n2", begun=103.0)
    assert kinds(good(runs=[a_run(), late])) == {"run_after_success"}


def test_a_run_after_a_failure_that_was_final_is_caught() -> None:
    history = with_task(status="ERROR", result=None, finished_at=100.2)
    assert "run_after_end" in kinds(history)


def test_the_result_of_an_attempt_that_was_not_the_last_is_caught() -> None:
    assert kinds(with_task(attempt=2)) == {"stale_result"}


@pytest.mark.parametrize(
    "result", [None, {"value": 5, "attempt": 1, "nonce": "n9"}, {"value": 6, "attempt": 1, "nonce": "n1"}]
)
def test_a_result_that_no_run_returned_is_caught(result: object) -> None:
    assert kinds(with_task(result=result)) == {"false_result"}


def test_a_success_whose_run_never_ended_is_caught() -> None:
    assert kinds(good(runs=[a_run(ended=None, ok=False)])) == {"false_result"}


def test_a_write_to_a_finished_row_is_caught() -> None:
    again = replace(changes()[2], at=102.0, old="SUCCESS", new="SUCCESS")
    assert "terminal_changed" in kinds(good(changes=[*good().changes, again]))


def test_two_reads_that_differ_after_the_end_are_caught() -> None:
    reads = [a_call("read", answer={"status": "ERROR", "error": text}) for text in ("one", "two")]
    assert "terminal_changed" in kinds(good(calls=[*good().calls, *reads]))


def test_a_read_that_differs_from_the_table_is_caught() -> None:
    read = a_call("read", answer={"status": "CANCELLED"})
    assert kinds(good(calls=[*good().calls, read])) == {"terminal_changed"}


def test_reads_before_the_end_may_differ() -> None:
    reads = [a_call("read", answer={"status": status}) for status in ("PENDING", "STARTED", "SUCCESS")]
    assert kinds(good(calls=[*good().calls, *reads])) == set()


def test_a_change_against_the_lifecycle_is_caught() -> None:
    assert "illegal_transition" in kinds(with_change(1, old="SCHEDULED"))


def test_a_fence_that_falls_is_caught() -> None:
    assert "fence_fell" in kinds(with_change(2, old_fence=2))


def test_a_claim_without_a_fence_of_its_own_is_caught() -> None:
    assert "fence_shared" in kinds(with_change(1, new_fence=0))


def test_a_task_that_is_taken_from_a_living_worker_is_caught() -> None:
    assert kinds(with_change(2, new="RETRY", lost=True, old_lease=105.0)) >= {"taken_alive"}


def test_a_task_that_is_taken_after_its_lease_is_no_violation() -> None:
    assert "taken_alive" not in kinds(with_change(2, lost=True, old_lease=101.0))


def test_more_runs_than_attempts_are_caught() -> None:
    runs = [a_run(attempt=number, nonce=f"n{number}") for number in (1, 2, 3, 4)]
    assert "too_many_attempts" in kinds(good(runs=runs))


def test_an_attempt_that_is_begun_twice_is_caught() -> None:
    assert kinds(good(runs=[a_run(), a_run(nonce="n2")])) == {"attempt_twice"}


def test_two_endings_of_one_claim_are_caught() -> None:
    assert kinds(good(attempts=good().attempts * 2)) == {"attempt_twice"}


def test_a_recorded_attempt_beyond_the_limit_is_caught() -> None:
    assert kinds(good(attempts=[replace(good().attempts[0], number=4)])) == {"too_many_attempts"}


def test_a_begin_before_run_at_is_caught() -> None:
    assert kinds(good(runs=[a_run(begun=99.0)])) == {"early"}


def test_a_claim_before_the_wait_of_a_repetition_is_over_is_caught() -> None:
    assert kinds(with_change(1, run_at=110.0)) == {"early"}


def test_a_begin_after_expires_at_is_caught() -> None:
    assert kinds(with_task(expires_at=100.2)) == {"begun_after_expiry"}


@pytest.mark.parametrize(("kind", "answer"), [("cancel", {"status": "CANCELLED"}), ("delete", None)])
def test_a_begin_after_an_answered_cancellation_is_caught(kind: str, answer: dict[str, str] | None) -> None:
    call = a_call(kind, ended=100.2, answer=answer)
    assert "begun_after_cancel" in kinds(good(calls=[*good().calls, call]))


def test_a_begin_after_a_mere_request_to_stop_is_no_violation() -> None:
    call = a_call("cancel", ended=100.2, status=202, answer={"status": "STARTED"})
    assert kinds(good(calls=[*good().calls, call])) == set()


def test_a_task_that_stands_still_after_the_faults_is_caught() -> None:
    history = good(quiet_at=250.0, tasks=[], changes=changes()[:1])
    assert "late" in kinds(history)
    assert standstills(history) == {TASK: 100.0}


def test_standing_still_during_faults_is_no_violation() -> None:
    assert "late" not in kinds(good(faults_ended=180.0, changes=changes()[:1]))


def test_waiting_for_run_at_is_no_standing_still() -> None:
    assert standstills(good(changes=[replace(changes()[0], run_at=199.0)])) == {TASK: 1.0}


@pytest.mark.parametrize(("status", "found"), [(500, {"server_error"}), (503, set())])
def test_a_server_error_is_caught_unless_it_asks_to_try_again(status: int, found: set[str]) -> None:
    call = a_call("read", outcome=Outcome.UNKNOWN, status=status)
    assert kinds(good(calls=[*good().calls, call])) == found
