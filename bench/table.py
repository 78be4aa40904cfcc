"""The table of figures, as Markdown that can be read in a terminal too. Pure."""

from collections.abc import Iterable, Sequence

from bench.figures import OURS, Figures, Row, number

HEAD = ("scenario", "who", "unit", "median", "least - most", "ours / it", "to reach")
RIGHT = {3, 4, 5}


def render(figures: Sequence[Figures]) -> str:
    """One table of all scenarios."""
    cells = [_cells(scenario, row) for scenario in figures for row in scenario.rows]
    widths = [max(len(line[i]) for line in [HEAD, *cells]) for i in range(len(HEAD))]
    rule = ["-" * (width - 1) + ":" if i in RIGHT else "-" * width for i, width in enumerate(widths)]
    reasons = [f"- {row.scenario}, {row.who}: {row.note}." for row in _missing(figures)]
    lines = [_line(line, widths) for line in [HEAD, rule, *cells]]
    return "\n".join([*lines, *(["", "Not run:", "", *reasons] if reasons else [])])


def _missing(figures: Sequence[Figures]) -> list[Row]:
    return [row for scenario in figures for row in scenario.rows if row.median is None]


def _cells(figures: Figures, row: Row) -> tuple[str, ...]:
    if row.median is None or row.spread is None:
        return (
            row.scenario,
            row.who,
            row.metric,
            "not run",
            "",
            "",
            "",
        )
    ratio = None if row.who == OURS else figures.ratio(row)
    least, most = row.spread
    return (
        row.scenario,
        row.who,
        row.metric,
        number(row.median) + (f" ({row.note})" if row.note else ""),
        f"{number(least)} - {number(most)}",
        number(ratio) if ratio is not None else "",
        _goal(figures, row),
    )


def _goal(figures: Figures, row: Row) -> str:
    found = figures.target(row)
    if found is None:
        return ""
    target, reached = found
    verdict = "not known" if reached is None else "met" if target.is_met(reached) else "missed"
    return f"{target.text()} {verdict}"


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    parts = [
        cell.rjust(width) if i in RIGHT else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(parts)} |"
