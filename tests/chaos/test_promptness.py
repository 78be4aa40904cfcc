"""The checker's rule for slow answers: they are caught where only the broker was away, and excused where more was."""

import pytest

from tests.chaos.checker import check
from tests.chaos.faults import FAULTS
from tests.chaos.history import Call, Fault, Outcome
from tests.chaos.promptness import AFTERMATH_SECONDS, HARMLESS, MACHINE_SECONDS, PROMISED_SECONDS, judged
from tests.chaos.samples import a_call, good, kinds

LIMIT = PROMISED_SECONDS + MACHINE_SECONDS
AWAY = [kind for kind in FAULTS if kind.startswith("broker")]


def a_fault(
    kind: str = "broker frozen", detail: str = "", begun: float = 110.0, ended: float = 115.0
) -> Fault:
    return Fault(kind=kind, detail=detail, begun=begun, ended=ended)


def slow(kind: str = "submit", begun: float = 111.0, seconds: float = LIMIT + 0.1, **values: object) -> Call:
    unknown = {"outcome": Outcome.UNKNOWN, "status": None, "task_ids": (), "label": "x"}
    return a_call(kind, begun=begun, ended=begun + seconds, **{**unknown, **values})


def found(call: Call, *faults: Fault) -> set[str]:
    return kinds(good(calls=[*good().calls, call], faults=list(faults)))


@pytest.mark.parametrize("fault", AWAY)
@pytest.mark.parametrize("kind", ["submit", "batch", "retry"])
def test_a_slow_submission_while_only_the_broker_is_away_is_caught(kind: str, fault: str) -> None:
    assert found(slow(kind), a_fault(fault)) == {"slow_submit"}


def test_a_slow_submission_is_named() -> None:
    [violation] = check(good(calls=[*good().calls, slow(label="client-1-7")], faults=[a_fault()]))
    assert violation.ids == ("client-1-7",)
    assert "1 submissions" in violation.message


@pytest.mark.parametrize("seconds", [0.1, PROMISED_SECONDS, LIMIT - 0.01])
def test_a_submission_that_is_as_fast_as_promised_is_no_violation(seconds: float) -> None:
    assert found(slow(seconds=seconds), a_fault()) == set()


def test_a_slow_submission_with_a_broker_is_no_violation() -> None:
    assert found(slow()) == set()
    assert found(slow(begun=120.0), a_fault()) == set()


@pytest.mark.parametrize("begun", [105.0, 114.9])
def test_a_submission_that_meets_a_part_of_the_fault_is_judged(begun: float) -> None:
    assert found(slow(begun=begun, seconds=6.0), a_fault()) == {"slow_submit"}


@pytest.mark.parametrize("kind", ["read", "cancel", "delete", "schedule"])
def test_other_calls_are_not_judged(kind: str) -> None:
    assert "slow_submit" not in found(slow(kind, label=""), a_fault())


@pytest.mark.parametrize("other", sorted(FAULTS.keys() - HARMLESS - set(AWAY) - {"rolling restart"}))
def test_a_fault_of_what_an_answer_waits_for_excuses_slowness(other: str) -> None:
    at_once = a_fault(other, begun=112.0, ended=112.0)
    just_over = a_fault(other, begun=100.0, ended=111.1 - AFTERMATH_SECONDS)
    long_over = a_fault(other, begun=100.0, ended=110.9 - AFTERMATH_SECONDS)
    later = a_fault(other, begun=130.0, ended=131.0)
    assert [found(slow(), a_fault(), each) for each in (at_once, just_over)] == [set(), set()]
    assert [found(slow(), a_fault(), each) for each in (long_over, later)] == [{"slow_submit"}] * 2


@pytest.mark.parametrize("other", sorted(HARMLESS))
def test_a_fault_of_what_no_answer_waits_for_excuses_nothing(other: str) -> None:
    assert other in FAULTS
    assert found(slow(), a_fault(), a_fault(other)) == {"slow_submit"}


@pytest.mark.parametrize(("detail", "expected"), [("web", set()), ("worker", {"slow_submit"})])
def test_a_rolling_restart_excuses_slowness_only_of_the_web_processes(
    detail: str, expected: set[str]
) -> None:
    assert found(slow(), a_fault(), a_fault("rolling restart", detail)) == expected


def test_a_fast_submission_counts_among_the_judged() -> None:
    history = good(calls=[slow(seconds=0.1), slow(begun=200.0)], faults=[a_fault()])
    assert [call.begun for call in judged(history)] == [111.0]
