"""The parts of the READMEs that are made from the record, between marks; what stands around them is by hand."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contest import Scenario
from bench.figures import OURS, number
from bench.results import BENCH_DIR, Record, load, newest
from bench.table import Line, markdown, render_lines, verdict

BENCH_README = BENCH_DIR / "README.md"
README = BENCH_DIR.parent / "README.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
NOTHING = "Nothing is recorded yet."
HEADLINES = (
    ("drain", "tasks/s", "trivial tasks, accepted beforehand, to their durable result"),
    ("drain-one", "tasks/s", "the same, claimed one by one"),
    (
        "isolation",
        "s more behind a slow one",
        "what 1,000 quick tasks wait for a task of 30 s that is before them",
    ),
    ("submit", "tasks/s", "tasks accepted over HTTP, in batches of 1,000"),
    ("submit-one", "requests/s", "tasks accepted over HTTP, one by one"),
    ("latency", "p50 ms", "from the answer until the handler begins, idle, median"),
    ("tick-10000", "schedules/s", "10,000 schedules due at once, fired by one process"),
    ("tick-100000", "schedules/s", "100,000 schedules due at once, fired by one process"),
)
"""What the project's README quotes: scenario, unit, and in words. All of it stands in bench/README.md."""
REASON = re.compile(r"^- \*\*(.+?)\*\*:", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A README and what has to stand between its marks."""

    path: Path
    text: str


def expected(scenarios: Sequence[Scenario], folder: Path) -> list[Page]:
    """Both READMEs as the record would have them."""
    records = load(folder)
    return [Page(BENCH_README, chapter(scenarios, records)), Page(README, summary(scenarios, records))]


def chapter(scenarios: Sequence[Scenario], records: Sequence[Record]) -> str:
    """Every scenario's newest figures, and the runs that they are of."""
    found = [each for scenario in scenarios for each in newest(records, scenario)]
    sources = dict.fromkeys(record.text() for record, _ in found)
    if not found:
        return NOTHING
    return "\n".join([*(f"- {source}" for source in sources), "", render_lines([line for _, line in found])])


def summary(scenarios: Sequence[Scenario], records: Sequence[Record]) -> str:
    """The figures that the project's README quotes, with what they were measured beside."""
    known = {scenario.name: scenario for scenario in scenarios}
    cells, sources = [], []
    for name, metric, words in HEADLINES:
        found = newest(records, known[name]) if name in known else []
        rows = [(record, line) for record, line in found if line.row.metric == metric]
        for record, line in rows:
            if line.row.who == OURS and line.row.median is not None:
                cells.append(
                    (words, f"{number(line.row.median)} {metric}", _beside([line for _, line in rows]))
                )
                sources.append(record.text())
    if not cells:
        return NOTHING
    table = markdown(("what", "this service", "divided by the others'"), cells)
    return "\n".join([*table, "", *(f"Measured {source}." for source in dict.fromkeys(sources))])


def _beside(lines: Sequence[Line]) -> str:
    """The ratios to the others; variants of ours are none of them."""
    others = [line for line in lines if line.row.who.partition(",")[0] != OURS]
    ratios = [(line.row.who, line.figures.ratio(line.row)) for line in others]
    return ", ".join(f"{number(ratio)} {who}" for who, ratio in ratios if ratio is not None)


def unexplained(scenarios: Sequence[Scenario], folder: Path) -> list[str]:
    """Missed targets for which bench/README.md gives no reason yet, as it would have to name them."""
    known, records = set(reasons()), load(folder)
    lines = [line for scenario in scenarios for _, line in newest(records, scenario)]
    missed = [
        key(line.row.scenario, line.row.who, line.row.metric) for line in lines if "missed" in verdict(line)
    ]
    return [name for name in missed if name not in known]


def reasons() -> list[str]:
    """The missed targets for which bench/README.md gives a reason."""
    text = BENCH_README.read_text()
    return REASON.findall(text.partition("## Why a target is missed")[2].partition("\n## ")[0])


def key(scenario: str, who: str, metric: str) -> str:
    """How a target is named where its reason stands."""
    return f"{scenario}, {who}, {metric}"


def renew(page: Page) -> None:
    """Put the text between the marks. Raises ValueError if they are not there."""
    before, _, after = parts(page.path)
    page.path.write_text(f"{before}{BEGIN}\n{page.text}\n{END}{after}")


def parts(path: Path) -> tuple[str, str, str]:
    """What stands before, between and behind the marks. Raises ValueError if they are not there."""
    before, begin, rest = path.read_text().partition(BEGIN)
    between, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no lines {BEGIN} and {END}; put them where the figures belong")
    return before, between.strip("\n"), after
