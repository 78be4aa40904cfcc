"""The state machine's decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_app.lifecycle import (
    MAX_CRASHES,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    Backoff,
    Outcome,
    Status,
    Verdict,
    after_attempt,
    after_loss,
    initial_status,
)

BACKOFF = Backoff(base_seconds=2, cap_seconds=60)


def decide(outcome: Outcome, attempt: int = 1, **fields) -> Verdict:
    return after_attempt(
        outcome, **{"attempt": attempt, "max_attempts": 3, "backoff": BACKOFF, "draw": 0.5, **fields}
    )


def test_nothing_leaves_a_terminal_status():
    assert {status for status in Status if not TRANSITIONS[status]} == TERMINAL


def test_every_status_can_reach_a_terminal_one():
    def reaches(status: Status, seen: frozenset[Status]) -> bool:
        return status in TERMINAL or any(
            reaches(following, seen | {status}) for following in TRANSITIONS[status] - seen
        )

    assert all(reaches(status, frozenset()) for status in Status)


def test_waiting_and_terminal_statuses_and_started_are_all_there_are():
    assert WAITING | TERMINAL | {Status.STARTED} == set(Status)
    assert not WAITING & TERMINAL


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.TIMEOUT, Outcome.STOPPED, Outcome.LOST])
def test_a_failed_attempt_is_retried_until_the_attempts_are_spent(outcome):
    assert decide(outcome, attempt=1).status is Status.RETRY
    assert decide(outcome, attempt=2).status is Status.RETRY
    assert decide(outcome, attempt=3) == Verdict(Status.ERROR)


def test_an_error_that_must_not_be_retried_is_final_at_once():
    assert decide(Outcome.ERROR, retryable=False) == Verdict(Status.ERROR)


def test_success_and_cancellation_are_final_whatever_attempts_are_left():
    assert decide(Outcome.SUCCESS) == Verdict(Status.SUCCESS)
    assert decide(Outcome.CANCELLED) == Verdict(Status.CANCELLED)


def lose(**fields) -> Verdict:
    values = {
        "attempt": 1,
        "max_attempts": 99,
        "crashes": 1,
        "cancel_requested": False,
        "backoff": BACKOFF,
        "draw": 0,
    }
    return after_loss(**{**values, **fields})


def test_a_task_that_takes_its_workers_down_is_not_given_to_another():
    assert lose(crashes=MAX_CRASHES - 1).status is Status.RETRY
    assert lose(crashes=MAX_CRASHES).status is Status.ERROR


def test_a_lost_task_whose_cancellation_was_requested_is_not_run_again():
    assert lose(cancel_requested=True) == Verdict(Status.CANCELLED)


@given(attempt=st.integers(1, 10_000), draw=st.floats(0, 1, exclude_max=True), base=st.floats(0.001, 1e6))
def test_a_wait_lies_between_zero_and_the_exponential_bound_and_the_cap(attempt, draw, base):
    wait = Backoff(base, 3600).seconds(attempt, draw)
    assert 0 <= wait <= 3600
    assert wait <= base * 2.0 ** min(attempt - 1, 60)


@given(
    st.builds(
        lambda *values: values, st.sampled_from(Outcome), st.integers(1, 9), st.integers(1, 9), st.booleans()
    )
)
def test_every_verdict_is_a_transition_that_the_lifecycle_allows(case):
    outcome, attempt, max_attempts, retryable = case
    verdict = decide(outcome, attempt=attempt, max_attempts=max_attempts, retryable=retryable)
    assert verdict.status in TRANSITIONS[Status.STARTED]


def test_a_new_task_is_pending_when_it_is_due():
    assert initial_status(is_due=True) is Status.PENDING
    assert initial_status(is_due=False) is Status.SCHEDULED
