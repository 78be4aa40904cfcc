"""The record: one JSON file per recorded run, and of each contestant its newest rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.contest import Scenario
from bench.figures import Figures, Row
from bench.table import Line

BENCH_DIR = Path(__file__).resolve().parent
RESULTS_DIR = BENCH_DIR / "results"


@dataclass(frozen=True)
class Record:
    """One recorded run: what it depends on, and its rows."""

    facts: Mapping[str, Any]
    rows: Sequence[Row]

    @property
    def name(self) -> str:
        """Day and commit."""
        return f"{self.facts['date'].split()[0]} {self.facts['commit']}"

    def text(self) -> str:
        """All that one has to know to read its figures."""
        facts = self.facts
        return (
            f"{facts['date']}, commit {facts['commit']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
            f"Python {facts['python']}, PostgreSQL {facts['postgresql']}, Redis {facts['redis']}, "
            f"{facts['rounds']} rounds, scale {facts['scale']:g}"
        )

    def of(self, scenario: Scenario) -> Figures:
        return Figures([row for row in self.rows if row.scenario == scenario.name], scenario.targets)


def save(folder: Path, figures: Sequence[Figures], facts: Mapping[str, Any], now: datetime) -> Path:
    """Write a file of its own for this run. `facts` has at least `commit`."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{now:%Y-%m-%dT%H%M%S}-{facts['commit'].rstrip('+')}.json"
    rows = [asdict(row) for scenario in figures for row in scenario.rows]
    record = {"date": f"{now:%Y-%m-%d %H:%M} UTC", **facts, "rows": rows}
    path.write_text(json.dumps(record, indent=1, sort_keys=False) + "\n")
    return path


def load(folder: Path) -> list[Record]:
    """All recorded runs, the newest first."""
    read = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"), reverse=True)]
    return [Record(record, [Row(**row) for row in record.pop("rows")]) for record in read]


def newest(records: Sequence[Record], scenario: Scenario) -> list[tuple[Record, Line]]:
    """The rows of each of a scenario's contestants in the newest run that had it, with that run."""
    found = []
    for each in scenario.contestants:
        key = (scenario.name, each.name)
        record = next((one for one in records if any((r.scenario, r.who) == key for r in one.rows)), None)
        if record is not None:
            figures = record.of(scenario)
            rows = [row for row in figures.rows if row.who == each.name]
            found += [(record, Line(row, figures, record.name)) for row in rows]
    return found
