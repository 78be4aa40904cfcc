"""The one page that a run ends with, and its row in the document of guarantees."""

import platform
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from launcher.layout import PROJECT_DIR
from tests.chaos.checker import standstills
from tests.chaos.cluster import Cluster
from tests.chaos.harness import Plan
from tests.chaos.history import History, Violation
from tests.chaos.promptness import judged

DOCUMENT = PROJECT_DIR / "docs" / "guarantees.md"
MARKER = "<!-- chaos-results -->"
HEADER = """\
| date | broker | seed | seconds | rate | tasks | faults | lost | run twice after success | late | violations |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def counts(history: History, violations: Sequence[Violation]) -> dict[str, int]:
    """The figures that matter most."""
    named = Counter(violation.kind for violation in violations)

    def about(*kinds: str) -> int:
        return sum(int(v.message.split()[0]) for v in violations if v.kind in kinds)

    return {
        "tasks": len(history.tasks),
        "lost": about("lost"),
        "twice": about("run_after_success"),
        "late": about("late"),
        "violations": named.total(),
    }


def recovery_seconds(history: History) -> float | None:
    """The longest time from a kill -9 to the next change of a task that the killed process was running."""
    killed = {pid: fault.begun for fault in history.faults for pid in fault.killed}
    cut = {run.task_id: killed[run.pid] for run in history.runs if run.ended is None and run.pid in killed}
    waits = [
        min(
            (
                change.at - cut[task_id]
                for change in history.changes
                if change.task_id == task_id and change.at > cut[task_id]
            ),
            default=None,
        )
        for task_id in cut
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def longest_submission(history: History) -> float | None:
    """The longest wait for an answer to a submission while only the broker was away."""
    return max((call.ended - call.begun for call in judged(history)), default=None)


def text(plan: Plan, cluster: Cluster, history: History, violations: Sequence[Violation]) -> str:
    """The summary, for people."""
    figures = counts(history, violations)
    calls = Counter((call.kind, str(call.outcome)) for call in history.calls)
    kinds = sorted({kind for kind, _ in calls})
    outcomes = ("ok", "failed", "unknown")
    lines = [
        f"seed {plan.seed}, {plan.seconds:g} s, {plan.rate:g} tasks/s, lease {cluster.lease_seconds:g} s, "
        + cluster.broker.name,
        versions(),
        "",
        f"{'calls':<12}" + "".join(f"{name:>9}" for name in outcomes),
        *(f"{kind:<12}" + "".join(f"{calls[kind, name]:>9}" for name in outcomes) for kind in kinds),
        "",
        f"faults: {len(history.faults)}",
        *(
            f"  {number:>3} {kind}"
            for kind, number in sorted(Counter(f.kind for f in history.faults).items())
        ),
        *(f"      {what}" for what in left_out(cluster)),
        f"commits whose answer was swallowed: {cluster.database_proxy.swallowed}, lost: {cluster.database_proxy.lost}",
        "",
        f"tasks: {figures['tasks']}  " + _by_status(history),
        f"handler runs: {len(history.runs)}, unfinished: {sum(run.ended is None for run in history.runs)}",
        f"occurrences: {len(history.occurrences)} of {len(history.schedules)} schedules",
        f"ends that were to be told: {len(history.callbacks)}",
        f"longest standstill after the faults: {max(standstills(history).values(), default=0):.1f} s"
        f"; recovery after kill -9: {_seconds(recovery_seconds(history))}",
        f"submissions while only the broker was away: {len(judged(history))}"
        f", the longest took {_seconds(longest_submission(history))}",
        "",
        f"lost: {figures['lost']}   run twice after success: {figures['twice']}   late: {figures['late']}"
        f"   violations: {figures['violations']}",
        *(f"  {violation}" for violation in violations),
    ]
    return "\n".join(lines)


def left_out(cluster: Cluster) -> list[str]:
    """Faults that this machine or this broker does not allow."""
    found = []
    if not cluster.postgres.has_small_disk:
        found.append("left out: disk full (mounting a small tmpfs needs root and CAP_SYS_ADMIN)")
    if cluster.broker.pid() is None:
        found.append(
            "left out: restart, freeze and full memory of the broker (the server is not the harness's own)"
        )
    if not sys.platform.startswith("linux"):
        found.append("left out: kill and freeze of worker children (needs /proc)")
    return found


def versions() -> str:
    """What ran."""
    names = ("Django", "celery", "kombu", "psycopg2-binary", "redis")
    return f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names)


def _by_status(history: History) -> str:
    return ", ".join(f"{n} {s}" for s, n in sorted(Counter(row.status for row in history.tasks).items()))


def _seconds(value: float | None) -> str:
    return "not seen" if value is None else f"{value:.1f} s"


def record(
    plan: Plan,
    cluster: Cluster,
    history: History,
    violations: Sequence[Violation],
    date: str,
    path: Path = DOCUMENT,
) -> None:
    """Add a row below the marker of the document, which is made if it is missing."""
    figures = counts(history, violations)
    cells: tuple[Any, ...] = (
        date,
        cluster.broker.name,
        plan.seed,
        f"{plan.seconds:g}",
        f"{plan.rate:g}",
        figures["tasks"],
    )
    cells += (len(history.faults), *(figures[name] for name in ("lost", "twice", "late", "violations")))
    row = "| " + " | ".join(map(str, cells)) + " |\n"
    path.parent.mkdir(exist_ok=True)
    page = path.read_text() if path.exists() else f"# Guarantees\n\n{MARKER}\n"
    if MARKER not in page:
        page += f"\n{MARKER}\n"
    before, _, after = page.partition(MARKER)
    table = after.lstrip("\n")
    rows, rest = _split(table) if table.startswith(HEADER.splitlines()[0]) else (HEADER, table)
    path.write_text(f"{before}{MARKER}\n\n{rows}{row}{rest}")


def _split(table: str) -> tuple[str, str]:
    lines = table.splitlines(keepends=True)
    end = next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return "".join(lines[:end]), "".join(lines[end:])
