"""The command line of the bench, the rounds' turns, and the record."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import results
from bench.arguments import parse
from bench.contest import Contest, Contestant, Scenario
from bench.figures import Figures, Row, Target
from bench.installing import NotInstalled

KNOWN = {"drain": ["ours", "slow"], "submit": ["ours", "other"]}
FACTS = {
    "commit": "abc123+",
    "rounds": 3,
    "scale": 1.0,
    "cores": 2,
    "memory_gib": 8,
    "python": "3.11",
    "postgresql": "15",
    "redis": "7",
}


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
        return Contest(stage, rounds, 1.0, peers).run(self.scenario)


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


def record(folder: Path, minute: int, scenario: str, value: float) -> Path:
    figures = Figures([Row(scenario, "ours", "tasks/s", (value,))])
    return results.save(folder, [figures], FACTS, datetime(2026, 11, 21, 10, minute, tzinfo=UTC))


def test_a_record_holds_every_value_with_what_it_depends_on(tmp_path: Path) -> None:
    path = record(tmp_path, 5, "drain", 7.0)
    assert path.name == "2026-11-21T100500-abc123.json"
    saved = json.loads(path.read_text())
    assert saved["date"] == "2026-11-21 10:05 UTC"
    assert saved["commit"] == "abc123+"
    assert saved["rows"] == [
        {"scenario": "drain", "who": "ours", "metric": "tasks/s", "values": [7.0], "note": ""}
    ]


def test_the_chapter_has_the_newest_figures_of_each_scenario(tmp_path: Path) -> None:
    record(tmp_path, 1, "drain", 111.0)
    record(tmp_path, 2, "submit", 222.0)
    record(tmp_path, 3, "drain", 333.0)
    text = results.chapter(tmp_path, {"drain": [Target("tasks/s", ">=", 300)], "submit": []})
    assert "111" not in text
    assert text.index("333") < text.index("222")
    assert "≥ 300 met" in text
    assert "10:03 UTC" in text
    assert "10:02 UTC" in text
    assert "10:01 UTC" not in text


def test_the_chapter_replaces_only_what_stands_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    results.renew(page, "new")
    results.renew(page, "newer")
    assert page.read_text() == f"before\n{results.BEGIN}\nnewer\n{results.END}\nafter\n"


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("no place\n")
    with pytest.raises(ValueError, match="put them where the table belongs"):
        results.renew(page, "new")
    assert page.read_text() == "no place\n"


def test_the_page_of_the_bench_has_the_markers() -> None:
    text = results.README.read_text()
    assert text.count(results.BEGIN) == text.count(results.END) == 1
