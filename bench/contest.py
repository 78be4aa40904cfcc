"""Scenarios and contestants, and the rounds: everybody in turns, so that what slows the machine slows all."""

import time
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from bench.figures import OURS, Figures, Row, Target, number
from bench.installing import NotInstalled
from bench.stage import Stage

Values = dict[str, float]
"""A figure of one measurement, by its unit."""


@dataclass(frozen=True)
class Contestant:
    """One of a scenario.

    Attributes:
        measure: takes the stage and the scale of sizes.
        needs: the peer that has to be installed.
        note: what stands beside its figure in the table.
    """

    name: str
    measure: Callable[[Stage, float], Values]
    needs: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Scenario:
    """What is measured, of whom, and what ours has to reach."""

    name: str
    contestants: Sequence[Contestant]
    targets: Sequence[Target] = field(default_factory=tuple)

    def chosen(self, peers: Collection[str] | None) -> list[Contestant]:
        """Ours and its variants, and of the others those that are named (None: all)."""
        return [
            each
            for each in self.contestants
            if peers is None or each.name in peers or each.name.partition(",")[0] == OURS
        ]


@dataclass
class Contest:
    """Runs scenarios on a stage.

    Attributes:
        seconds: what each contestant has taken in all rounds, its preparation included, by scenario and name.
    """

    stage: Stage
    rounds: int
    scale: float
    peers: Collection[str] | None = None
    seconds: dict[tuple[str, str], float] = field(default_factory=dict)

    def run(self, scenario: Scenario) -> Figures:
        """All rounds of one scenario."""
        contestants = scenario.chosen(self.peers)
        failures: dict[str, str] = {}
        values: dict[str, list[Values]] = {each.name: [] for each in contestants}
        for number_ in range(self.rounds):
            # Another one begins each round: nobody is always first after the others' writes.
            turn = number_ % len(contestants)
            for each in [*contestants[turn:], *contestants[:turn]]:
                if each.name not in failures:
                    self._turn(scenario, each, values, failures)
        rows = [row for each in contestants for row in _rows(scenario, each, values, failures)]
        return Figures(rows, scenario.targets)

    def _turn(
        self,
        scenario: Scenario,
        each: Contestant,
        values: dict[str, list[Values]],
        failures: dict[str, str],
    ) -> None:
        began = time.monotonic()
        try:
            if each.needs:
                self.stage.peers.need(each.needs)
            values[each.name].append(each.measure(self.stage, self.scale))
        except NotInstalled as error:
            failures[each.name] = str(error)
        except Exception as error:  # a peer that breaks must not cost the others their figures
            failures[each.name] = f"{type(error).__name__}: {' '.join(str(error).split())[-160:]}"
            traceback.print_exc()
        finally:
            self.stage.clear()
        taken = time.monotonic() - began
        key = (scenario.name, each.name)
        self.seconds[key] = self.seconds.get(key, 0.0) + taken
        said = f"FAILED: {failures[each.name]}" if each.name in failures else _said(values[each.name][-1])
        print(f"{scenario.name}: {each.name}: {said}   [{taken:.0f} s]", flush=True)

    def durations(self) -> str:
        """Where the run's time has gone: a line per scenario, its contestants behind it."""
        lines = []
        for scenario in dict.fromkeys(name for name, _ in self.seconds):
            own = {who: taken for (name, who), taken in self.seconds.items() if name == scenario}
            each = ", ".join(f"{who} {taken:.0f}" for who, taken in own.items())
            lines.append(f"{scenario}: {sum(own.values()):.0f} s ({each})")
        return "\n".join([*lines, f"all: {sum(self.seconds.values()) / 60:.1f} min"])


def _said(values: Values) -> str:
    return ", ".join(f"{number(value)} {unit}" for unit, value in values.items())


def _rows(
    scenario: Scenario,
    each: Contestant,
    values: dict[str, list[Values]],
    failures: dict[str, str],
) -> list[Row]:
    if each.name in failures:
        return [Row(scenario.name, each.name, "", (), failures[each.name])]
    metrics = list(dict.fromkeys(metric for one in values[each.name] for metric in one))
    return [
        Row(
            scenario.name,
            each.name,
            metric,
            tuple(one[metric] for one in values[each.name] if metric in one),
            each.note,
        )
        for metric in metrics
    ]
