"""The row of a run joins the table below the document's marker, and nothing else is touched."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.chaos import summary
from tests.chaos.harness import Plan
from tests.chaos.history import Fault, Run, Violation
from tests.chaos.samples import TASK, a_run, changes, good

PLAN = Plan(seconds=5, seed="7")
CLUSTER = cast(Any, SimpleNamespace(broker=SimpleNamespace(name="redis")))


def record(path: Path) -> None:
    violations = [Violation("lost", "2 acknowledged tasks do not exist", ("a", "b"))]
    summary.record(PLAN, CLUSTER, good(), violations, "2026-01-01", path)


def test_the_document_is_made_if_it_is_missing(tmp_path: Path) -> None:
    record(tmp_path / "docs" / "guarantees.md")
    page = (tmp_path / "docs" / "guarantees.md").read_text()
    assert page.endswith("| 2026-01-01 | redis | 7 | 5 | 12 | 2 | 0 | 2 | 0 | 0 | 1 |\n")


def test_a_second_row_follows_the_first_before_what_comes_after(tmp_path: Path) -> None:
    path = tmp_path / "guarantees.md"
    path.write_text(f"# Title\n\n{summary.MARKER}\n\nAfterwards.\n")
    record(path)
    record(path)
    page = path.read_text()
    assert page.count("| 2026-01-01 |") == 2
    assert page.count("| date |") == 1
    assert page.startswith("# Title\n")
    assert page.endswith("\nAfterwards.\n")


def test_recovery_is_measured_from_the_kill_to_the_next_change() -> None:
    history = good(
        runs=[cast(Run, a_run(ended=None, ok=False))],
        faults=[Fault(kind="kill worker child", detail="", begun=101.1, ended=101.1, killed=(7,))],
        changes=changes(),
    )
    assert history.runs[0].task_id == TASK
    assert round(summary.recovery_seconds(history) or 0, 3) == 0.5
