"""The record: one JSON file per recorded run, and the newest figures of each scenario in bench/README.md."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import Figures, Row, Target
from bench.table import render

BENCH_DIR = Path(__file__).resolve().parent
RESULTS_DIR = BENCH_DIR / "results"
README = BENCH_DIR / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def save(folder: Path, figures: Sequence[Figures], facts: Mapping[str, Any], now: datetime) -> Path:
    """Write a file of its own for this run. `facts` has at least `commit`."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{now:%Y-%m-%dT%H%M%S}-{facts['commit'].rstrip('+')}.json"
    rows = [asdict(row) for scenario in figures for row in scenario.rows]
    record = {"date": f"{now:%Y-%m-%d %H:%M} UTC", **facts, "rows": rows}
    path.write_text(json.dumps(record, indent=1, sort_keys=False) + "\n")
    return path


def latest(folder: Path) -> dict[str, tuple[dict[str, Any], list[Row]]]:
    """The newest recorded rows of each scenario, with the record that they stand in."""
    found: dict[str, tuple[dict[str, Any], list[Row]]] = {}
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        rows = [Row(**row) for row in record.pop("rows")]
        for name in dict.fromkeys(row.scenario for row in rows):
            found[name] = (record, [row for row in rows if row.scenario == name])
    return found


def chapter(folder: Path, targets: Mapping[str, Sequence[Target]]) -> str:
    """The part of bench/README.md that the record gives; scenarios in the order of `targets`."""
    newest = latest(folder)
    names = [name for name in targets if name in newest]
    figures = [Figures(newest[name][1], targets[name]) for name in names]
    sources: dict[str, list[str]] = {}
    for name in names:
        sources.setdefault(_source(newest[name][0]), []).append(name)
    lines = [f"- {source}: {', '.join(of)}" for source, of in sources.items()]
    return "\n".join([*lines, "", render(figures)]) if names else "Nothing is recorded yet."


def renew(readme: Path, text: str) -> None:
    """Put the chapter between the markers. Raises ValueError if they are not there."""
    old = readme.read_text()
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no lines {BEGIN} and {END}; put them where the table belongs")
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _source(record: Mapping[str, Any]) -> str:
    return (
        f"{record['date']}, commit {record['commit']}, {record['cores']} cores, {record['memory_gib']} GiB, "
        f"Python {record['python']}, PostgreSQL {record['postgresql']}, Redis {record['redis']}, "
        f"{record['rounds']} rounds, scale {record['scale']:g}"
    )
