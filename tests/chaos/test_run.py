"""A short run with real faults ends without a violation; with `run.py chaos` it can be made as long as you like."""

import os
from pathlib import Path

import pytest

from tests.chaos import harness, summary
from tests.chaos.__main__ import main
from tests.chaos.checker import check
from tests.chaos.cluster import running
from tests.chaos.errors import Missing

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


def test_a_short_run_under_faults_keeps_every_promise(tmp_path: Path) -> None:
    plan = harness.Plan(seconds=12, seed="short", fault_gap=1.0)
    with running(seed=plan.seed, LEASE_SECONDS="3", RESCUE_INTERVAL_SECONDS="0.5") as cluster:
        history = harness.run(cluster, plan)
        violations = check(history)
        page = summary.text(plan, cluster, history, violations)
        summary.record(plan, cluster, history, violations, "2026-01-01", tmp_path / "guarantees.md")
    assert not violations, page
    assert len(history.faults) >= 5, page
    assert history.runs, page


def test_a_machine_without_postgresql_says_so_and_fails_where_all_must_be_tested(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> Path:
        raise Missing("PostgreSQL's server binaries")

    monkeypatch.setattr("tests.chaos.pgserver.binaries", missing)
    codes = []
    for strict in ("", "true"):
        monkeypatch.setitem(os.environ, "CI", strict)
        codes.append(main(["--seconds", "1"]))
    assert codes == [0, 1]
    assert "NOT RUN" in capsys.readouterr().err
