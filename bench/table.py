"""The table of figures, as Markdown that can be read in a terminal too. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.figures import OURS, Figures, Row, number

HEAD = ("scenario", "who", "unit", "median", "least - most", "ours / it", "to reach", "of")
RIGHT = {3, 4, 5}


@dataclass(frozen=True)
class Line:
    """A row with the run that it is of: ratios and targets are about that run.

    Attributes:
        source: which run, in a word or two; empty for the one that has just ended.
    """

    row: Row
    figures: Figures
    source: str = ""


def render(figures: Sequence[Figures]) -> str:
    """One table of all scenarios of one run."""
    return render_lines([Line(row, scenario) for scenario in figures for row in scenario.rows])


def render_lines(lines: Sequence[Line]) -> str:
    """One table of rows that may be of several runs; the last column is left out if none says of which."""
    width = len(HEAD) if any(line.source for line in lines) else len(HEAD) - 1
    return "\n".join(
        [*markdown(HEAD[:width], [_cells(line)[:width] for line in lines], RIGHT), *_failures(lines)]
    )


def markdown(head: Sequence[str], cells: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """A table in aligned columns; `right` are those that are flush right."""
    widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]
    rule = ["-" * (width - 1) + ":" if i in right else "-" * width for i, width in enumerate(widths)]
    return [_line(line, widths, set(right)) for line in [head, rule, *cells]]


def verdict(line: Line) -> str:
    """Whether the target of a row is met, with what was reached; empty if it has none."""
    found = line.figures.target(line.row)
    if found is None:
        return ""
    target, reached = found
    if reached is None:
        return f"{target.text()} not known"
    return f"{target.text()} {'met' if target.is_met(reached) else 'missed'} ({number(reached)})"


def _failures(lines: Sequence[Line]) -> list[str]:
    failed = [line.row for line in lines if line.row.median is None]
    return (
        ["", "Failed:", "", *(f"- {row.scenario}, {row.who}: {row.note}." for row in failed)]
        if failed
        else []
    )


def _cells(line: Line) -> tuple[str, ...]:
    row = line.row
    if row.median is None or row.spread is None:
        return (row.scenario, row.who, row.metric, "failed", "", "", "", line.source)
    ratio = None if row.who == OURS else line.figures.ratio(row)
    least, most = row.spread
    return (
        row.scenario,
        row.who,
        row.metric,
        number(row.median) + (f" ({row.note})" if row.note else ""),
        f"{number(least)} - {number(most)}",
        number(ratio) if ratio is not None else "",
        verdict(line),
        line.source,
    )


def _line(cells: Sequence[str], widths: Sequence[int], right: set[int]) -> str:
    parts = [
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(parts)} |"
