"""What is computed from measured values: medians, spreads, ratios, and whether a target is met. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

OURS = "ours"


@dataclass(frozen=True)
class Row:
    """The values of one metric of one contestant, one per round; `note` says more, or why there are none.

    Attributes:
        metric: the unit, such as `tasks/s`; two of a scenario differ in it.
    """

    scenario: str
    who: str
    metric: str
    values: Sequence[float] = ()
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The least and the greatest value."""
        return (min(self.values), max(self.values)) if self.values else None


@dataclass(frozen=True)
class Target:
    """What ours has to reach in one run: a bound on ours divided by `against`, or on ours itself if that is None."""

    metric: str
    bound: str
    value: float
    against: str | None = None

    def text(self) -> str:
        sign = {">=": "≥", "<=": "≤", "<": "<"}[self.bound]
        return f"{sign} {number(self.value)}"

    def is_met(self, figure: float) -> bool:
        """Whether this ratio (or figure) is what has to be reached. Raises ValueError for another bound."""
        match self.bound:
            case ">=":
                return figure >= self.value
            case "<=":
                return figure <= self.value
            case "<":
                return figure < self.value
        raise ValueError(f"{self.bound!r} is no bound; use >=, <= or <")


@dataclass
class Figures:
    """Rows of one scenario, and what is derived from several of them."""

    rows: Sequence[Row]
    targets: Sequence[Target] = field(default_factory=tuple)

    def of(self, who: str, metric: str) -> float | None:
        found = (row.median for row in self.rows if (row.who, row.metric) == (who, metric))
        return next(found, None)

    def ratio(self, row: Row) -> float | None:
        """Ours divided by this one, by their medians; None where one is missing, or theirs is not above zero."""
        ours, theirs = self.of(OURS, row.metric), row.median
        return ours / theirs if ours is not None and theirs is not None and theirs > 0 else None

    def target(self, row: Row) -> tuple[Target, float | None] | None:
        """The target that belongs to a row, and what stands against it."""
        for target in self.targets:
            if target.metric == row.metric and (target.against or OURS) == row.who:
                return target, (self.ratio(row) if target.against else row.median)
        return None


def number(value: float) -> str:
    """A figure with three digits that count: 12,345; 123; 12.3; 0.123."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def percentile(values: Iterable[float], part: float) -> float:
    """The value below which this part (0 to 1) of them lies, the nearest one. Raises ValueError if there is none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
