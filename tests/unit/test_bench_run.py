"""A run of the bench from its command line to its record, on a stage that is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import __main__ as bench
from bench import pages, results
from bench.contest import Contestant, Scenario
from bench.figures import Target

FACTS = {"cores": 2, "memory_gib": 8, "python": "3.11", "postgresql": "15", "redis": "7"}
RATE = "tasks/s"


def fails(*_: Any) -> dict[str, float]:
    raise RuntimeError("it broke")


def is_interrupted(*_: Any) -> dict[str, float]:
    raise KeyboardInterrupt


def ours(value: float) -> Contestant:
    return Contestant("ours", lambda *_: {RATE: value})


SCENARIOS = {
    "drain": Scenario(
        "drain", [ours(20.0), Contestant("slow", lambda *_: {RATE: 4.0})], [Target(RATE, ">=", 10, "slow")]
    ),
    "submit": Scenario("submit", [ours(7.0)]),
    "broken": Scenario("broken", [ours(5.0), Contestant("it", fails)]),
    "long": Scenario("long", [Contestant("ours", is_interrupted)]),
}


@contextmanager
def standing(*_: Any, **__: Any) -> Iterator[Any]:
    yield SimpleNamespace(clear=lambda: None, peers=None)


@pytest.fixture(autouse=True)
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The record and both READMEs in a folder of their own."""
    for name in ("bench", "project"):
        (tmp_path / f"{name}.md").write_text(f"above\n{pages.BEGIN}\n{pages.END}\nbelow\n")
    monkeypatch.setattr(bench, "SCENARIOS", SCENARIOS)
    monkeypatch.setattr(bench, "standing", standing)
    commits = (f"abc{number}" for number in count())
    monkeypatch.setattr(bench.machine, "commit", lambda: next(commits))
    monkeypatch.setattr(bench.machine, "describe", lambda _: FACTS)
    monkeypatch.setattr(bench.signal, "signal", lambda *_: None)
    monkeypatch.setattr(results, "BENCH_DIR", tmp_path / "bench")
    monkeypatch.setattr(results, "RESULTS_DIR", tmp_path / "bench" / "results")
    (tmp_path / "bench").mkdir()
    monkeypatch.setattr(pages, "BENCH_README", tmp_path / "bench.md")
    monkeypatch.setattr(pages, "README", tmp_path / "project.md")
    return tmp_path


def test_a_recorded_run_stands_in_both_readmes_and_names_what_has_no_reason(
    stand: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["drain", "--record"]) == 0
    assert "≥ 10 missed (5)" in (stand / "bench.md").read_text()
    quoted = " ".join((stand / "project.md").read_text().split())
    assert "| 20 tasks/s | 5 slow |" in quoted
    assert "without a reason in bench/README.md: drain, slow, tasks/s" in capsys.readouterr().out


def test_a_later_run_keeps_what_it_did_not_measure(stand: Path) -> None:
    bench.main(["drain", "--record"])
    bench.main(["submit", "--record"])
    text = (stand / "bench.md").read_text()
    assert "| drain " in text
    assert "| submit " in text
    assert text.startswith("above\n")
    assert text.endswith("\nbelow\n")


def test_a_run_that_is_not_to_be_recorded_leaves_everything_as_it_was(stand: Path) -> None:
    before = (stand / "bench.md").read_text()
    assert bench.main(["drain"]) == 0
    assert (stand / "bench.md").read_text() == before
    assert not results.RESULTS_DIR.exists()


def test_a_contestant_that_fails_is_told_by_the_exit_code_and_costs_only_its_figure(stand: Path) -> None:
    assert bench.main(["broken", "submit", "--record"]) == 1
    text = (stand / "bench.md").read_text()
    assert "- broken, it: RuntimeError: it broke." in text
    assert "| submit " in text


def test_what_was_complete_when_a_run_was_interrupted_is_recorded(stand: Path) -> None:
    assert bench.main(["drain", "long", "--record", "--rounds", "1"]) == bench.INTERRUPTED
    text = (stand / "bench.md").read_text()
    assert "| drain " in text
    assert "long" not in text


def test_the_readmes_are_renewed_from_the_record_alone(stand: Path) -> None:
    bench.main(["drain", "--record"])
    recorded = pages.parts(stand / "bench.md")[1]
    (stand / "bench.md").write_text(f"new\n{pages.BEGIN}\nwrong\n{pages.END}\n")
    assert bench.main(["--renew"]) == 0
    assert pages.parts(stand / "bench.md")[1] == recorded
