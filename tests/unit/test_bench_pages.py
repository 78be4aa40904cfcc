"""The record of the bench, and what both READMEs quote of it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import pages, results
from bench.contest import Contestant, Scenario
from bench.figures import Figures, Row, Target
from bench.scenarios import SCENARIOS

RATE = "tasks/s"
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


def scenario(name: str, *who: str, targets: tuple[Target, ...] = ()) -> Scenario:
    return Scenario(name, [Contestant(one, lambda *_: {}) for one in who], targets)


DRAIN = scenario(
    "drain",
    "ours",
    "ours, quick",
    "slow",
    "broken",
    targets=(Target(RATE, ">=", 300), Target(RATE, ">=", 5, "slow")),
)
SUBMIT = scenario("submit", "ours")


def record(folder: Path, minute: int, name: str, commit: str = "abc123+", **values: float | str) -> Path:
    rows = [
        Row(name, who, "", (), value) if isinstance(value, str) else Row(name, who, RATE, (value,))
        for who, value in values.items()
    ]
    at = datetime(2026, 11, 21, 10, minute, tzinfo=UTC)
    return results.save(folder, [Figures(rows)], {**FACTS, "commit": commit}, at)


def chapter(folder: Path) -> str:
    return pages.chapter([DRAIN, SUBMIT], results.load(folder))


def line(text: str, scenario: str, who: str) -> list[str]:
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()]
    return next(line for line in lines if line[:2] == [scenario, who])


def test_a_record_holds_every_value_with_what_it_depends_on(tmp_path: Path) -> None:
    path = record(tmp_path, 5, "drain", ours=7.0)
    assert path.name == "2026-11-21T100500-abc123.json"
    saved = json.loads(path.read_text())
    assert saved["date"] == "2026-11-21 10:05 UTC"
    assert saved["commit"] == "abc123+"
    assert saved["rows"] == [
        {"scenario": "drain", "who": "ours", "metric": RATE, "values": [7.0], "note": ""}
    ]


def test_a_run_of_one_scenario_renews_its_lines_and_keeps_the_others(tmp_path: Path) -> None:
    record(tmp_path, 1, "drain", "one", ours=111.0)
    record(tmp_path, 2, "submit", "two", ours=222.0)
    record(tmp_path, 3, "drain", "three", ours=333.0)
    text = chapter(tmp_path)
    assert line(text, "drain", "ours")[3:] == ["333", "333 - 333", "", "≥ 300 met (333)", "2026-11-21 three"]
    assert line(text, "submit", "ours")[-1] == "2026-11-21 two"
    assert "10:03 UTC, commit three, 2 cores" in text
    assert "one" not in text


def test_a_run_of_some_contestants_keeps_the_others_with_the_ratio_of_their_own_run(tmp_path: Path) -> None:
    record(tmp_path, 1, "drain", "one", ours=100.0, slow=10.0)
    record(tmp_path, 2, "drain", "two", ours=400.0)
    text = chapter(tmp_path)
    assert line(text, "drain", "ours")[3] == "400"
    assert line(text, "drain", "slow")[3:] == ["10", "10 - 10", "10", "≥ 5 met (10)", "2026-11-21 one"]


def test_a_contestant_that_fails_now_is_not_shown_with_what_it_once_reached(tmp_path: Path) -> None:
    record(tmp_path, 1, "drain", ours=100.0, broken=10.0)
    record(tmp_path, 2, "drain", ours=100.0, broken="it broke")
    text = chapter(tmp_path)
    assert line(text, "drain", "broken")[3] == "failed"
    assert "- drain, broken: it broke." in text


def test_what_is_no_contestant_any_more_is_not_shown(tmp_path: Path) -> None:
    record(tmp_path, 1, "drain", ours=100.0, gone=10.0)
    assert "gone" not in chapter(tmp_path)


def test_the_readme_quotes_ours_and_the_ratios_to_the_others(tmp_path: Path) -> None:
    path = record(tmp_path, 1, "drain", ours=1234.0, slow=10.0, broken="it broke")
    saved = json.loads(path.read_text())
    saved["rows"].append({**saved["rows"][0], "who": "ours, quick"})
    path.write_text(json.dumps(saved))
    text = pages.summary([DRAIN], results.load(tmp_path))
    assert "| 1,234 tasks/s | 123 slow " in text
    assert "quick" not in text
    assert "Measured 2026-11-21 10:01 UTC, commit abc123+, 2 cores" in text


def test_nothing_is_quoted_where_nothing_is_recorded(tmp_path: Path) -> None:
    assert [page.text for page in pages.expected([DRAIN], tmp_path)] == [pages.NOTHING, pages.NOTHING]


def test_a_missed_target_without_a_reason_is_named(tmp_path: Path) -> None:
    record(tmp_path, 1, "drain", ours=100.0, slow=50.0)
    assert pages.unexplained([DRAIN], tmp_path) == ["drain, ours, tasks/s", "drain, slow, tasks/s"]


def test_what_stands_around_the_marks_survives_a_renewal(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n")
    pages.renew(pages.Page(path, "new"))
    pages.renew(pages.Page(path, "newer"))
    assert path.read_text() == f"before\n{pages.BEGIN}\nnewer\n{pages.END}\nafter\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("no place\n")
    with pytest.raises(ValueError, match="put them where the figures belong"):
        pages.renew(pages.Page(path, "new"))
    assert path.read_text() == "no place\n"


def test_both_readmes_say_what_is_recorded() -> None:
    for page in pages.expected(list(SCENARIOS.values()), results.RESULTS_DIR):
        said = pages.parts(page.path)[1]
        assert said == page.text, f"{page.path.name} differs from the record: python3 run.py bench --renew"


def test_every_reason_is_about_a_target_that_there_is() -> None:
    targets = {
        pages.key(one.name, target.against or "ours", target.metric)
        for one in SCENARIOS.values()
        for target in one.targets
    }
    assert set(pages.reasons()) <= targets


def test_the_readme_quotes_only_figures_that_have_a_target() -> None:
    targets = {(name, target.metric) for name, one in SCENARIOS.items() for target in one.targets}
    assert {(name, metric) for name, metric, _ in pages.HEADLINES} <= targets
