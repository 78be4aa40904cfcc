"""Scenarios and contestants, and the rounds: everybody in turns, so that what slows the machine slows all."""

import time
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from bench.figures import OURS, Figures, Row, Target, number
from bench.installing import NotInstalled
from bench.stage import Stage


class NotRun(Exception):
    """A contestant that is left out of this run; says why."""


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
    """Runs scenarios on a stage."""

    stage: Stage
    rounds: int
    scale: float
    peers: Collection[str] | None = None

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
        except (NotInstalled, NotRun) as error:
            failures[each.name] = str(error)
        except Exception as error:  # a peer that breaks must not cost the others their figures
            failures[each.name] = f"{type(error).__name__}: {' '.join(str(error).split())[-160:]}"
            traceback.print_exc()
        finally:
            self.stage.clear()
        said = failures.get(each.name) or ", ".join(
            f"{number(value)} {unit}" for unit, value in values[each.name][-1].items()
        )
        print(f"{scenario.name}: {each.name}: {said}   [{time.monotonic() - began:.0f} s]", flush=True)


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
