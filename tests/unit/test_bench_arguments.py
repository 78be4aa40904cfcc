"""The command line of the bench, and the rounds' turns."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.arguments import parse
from bench.contest import Contest, Contestant, Scenario
from bench.figures import Figures
from bench.installing import NotInstalled

KNOWN = {"drain": ["ours", "slow"], "submit": ["ours", "other"]}


def test_every_scenario_runs_unless_some_are_named() -> None:
    assert parse([], KNOWN).scenarios == ["drain", "submit"]
    assert parse(["submit"], KNOWN).scenarios == ["submit"]


def test_three_rounds_at_full_size_with_every_peer_is_the_default() -> None:
    options = parse([], KNOWN)
    assert (options.rounds, options.scale, options.peers, options.record) == (3, 1.0, None, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["flood"], "no scenario is named 'flood'; there are drain, submit"),
        (["--peers", "drain"], "no peer is named 'drain'"),
        (["--rounds", "0"], "is not a number from 1 to 100"),
        (["--rounds", "x"], "is not a number from 1 to 100"),
        (["--scale", "0"], "is not a number from 0.001 to 100"),
        (["--record", "--scale", "0.5"], "--record is for figures of full size"),
        (["--scale", "nan"], "is not a number from 0.001 to 100"),
    ],
)
def test_an_argument_that_is_none_is_refused_with_what_would_do(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments, KNOWN)
    assert said in capsys.readouterr().err


class Trial:
    """Contestants that note when it was their turn, on a stage that is none."""

    def __init__(self, *names: str, needs: str | None = None) -> None:
        self.turns: list[str] = []
        contestants = [Contestant(name, self._measure(name), needs) for name in names]
        self.scenario = Scenario("drain", contestants)

    def _measure(self, name: str) -> Any:
        def measure(stage: Any, scale: float) -> dict[str, float]:
            self.turns.append(name)
            if name == "broken":
                raise RuntimeError("it broke")
            return {"tasks/s": float(len(self.turns))}

        return measure

    def run(self, rounds: int, peers: list[str] | None = None, need: Any = None) -> Figures:
        stage: Any = SimpleNamespace(clear=lambda: None, peers=SimpleNamespace(need=need))
        self.contest = Contest(stage, rounds, 1.0, peers)
        return self.contest.run(self.scenario)


def test_contestants_take_turns_and_another_one_begins_each_round() -> None:
    trial = Trial("ours", "a", "b")
    figures = trial.run(3)
    assert trial.turns == ["ours", "a", "b", "a", "b", "ours", "b", "ours", "a"]
    assert [row.values for row in figures.rows] == [(1.0, 6.0, 8.0), (2.0, 4.0, 9.0), (3.0, 5.0, 7.0)]


def test_one_that_breaks_costs_only_its_own_row(capsys: pytest.CaptureFixture[str]) -> None:
    trial = Trial("ours", "broken")
    figures = trial.run(2)
    assert trial.turns.count("broken") == 1
    assert [len(row.values) for row in figures.rows] == [2, 0]
    assert figures.rows[1].note == "RuntimeError: it broke"


def test_what_cannot_be_installed_is_a_row_that_says_so() -> None:
    def need(name: str) -> None:
        raise NotInstalled(f"{name} could not be installed: no npm")

    figures = Trial("ours", needs="boss").run(1, need=need)
    assert [(row.values, row.note) for row in figures.rows] == [((), "boss could not be installed: no npm")]


def test_ours_and_its_variants_run_whichever_peers_are_named() -> None:
    trial = Trial("ours", "ours, events off", "a", "b")
    assert [each.name for each in trial.scenario.chosen(["b"])] == ["ours", "ours, events off", "b"]
    assert [each.name for each in trial.scenario.chosen([])] == ["ours", "ours, events off"]


def test_the_run_tells_where_its_time_has_gone() -> None:
    trial = Trial("ours", "a")
    trial.run(1)
    trial.contest.seconds = {("drain", "ours"): 61.2, ("drain", "a"): 3.0, ("idle", "ours"): 2.0}
    assert trial.contest.durations().splitlines() == [
        "drain: 64 s (ours 61, a 3)",
        "idle: 2 s (ours 2)",
        "all: 1.1 min",
    ]
