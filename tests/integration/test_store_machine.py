"""The store under faults: a state machine over its verbs, and the proof that it sees what it looks for.

No broker and no second process takes part, yet it stands with the integration tests: it needs a real database, and
only this folder runs on SQLite and on PostgreSQL.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.machine import mutants
from tests.integration.machine.drive import Violated
from tests.integration.machine.rules import DenseMachine, StoreMachine

pytestmark = pytest.mark.django_db(transaction=True)

# Ten per round: after ten examples Hypothesis mostly varies what it had, and a fresh round finds more.
SETTINGS = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    stateful_step_count=50,
    print_blob=True,
    max_examples=10,
)
ROUNDS = 3
MOST_ROUNDS = 40
MUST_HAPPEN = (
    "scheduled",
    "pending",
    "started",
    "retry",
    "success",
    "error",
    "cancelled",
    "expired",
    "crash undone",
    "answer lost",
    "stale write",
    "meanwhile",
    "foreign",
)


def seeded(machine: type[StoreMachine], number: int) -> type[StoreMachine]:
    """A machine whose run is the same each time."""
    same: type[StoreMachine] = seed(number)(type(f"Seeded{machine.__name__}", (machine,), {}))
    return same


def run_seeded(rounds: int) -> None:
    """Run rounds that are the same each time, without looking for minimal examples."""
    hunt = settings(SETTINGS, phases=[Phase.generate], report_multiple_bugs=False)
    for number in range(rounds):
        run_state_machine_as_test(seeded(DenseMachine, number), settings=hunt)


# A failure is worth its minimal example, and Hypothesis takes up to five minutes to find that.
@pytest.mark.timeout(400)
@pytest.mark.parametrize("machine", [StoreMachine, DenseMachine])
def test_the_store_keeps_its_promises_whatever_happens_in_whatever_order(machine: type[StoreMachine]):
    for number in range(ROUNDS):
        # CI repeats itself; a developer's run explores. Derandomized, all rounds would be the same one.
        one_round = seeded(machine, number) if os.environ.get("CI") else machine
        run_state_machine_as_test(one_round, settings=SETTINGS)


def test_the_machine_lets_everything_happen_that_it_is_there_for():
    DenseMachine.tally.clear()
    run_seeded(2)
    assert [event for event in MUST_HAPPEN if not DenseMachine.tally[event]] == []


@pytest.mark.parametrize("name", mutants.NAMES)
def test_a_store_that_breaks_a_promise_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch):
    mutants.install(name, monkeypatch)
    with pytest.raises(Violated):
        run_seeded(MOST_ROUNDS)
