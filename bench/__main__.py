"""`python3 run.py bench`: run scenarios, print the table, record it if asked."""

import os
import signal
import sys
from datetime import UTC, datetime

from bench import machine, results
from bench.arguments import parse
from bench.contest import Contest
from bench.figures import Figures
from bench.installing import Peers
from bench.scenarios import SCENARIOS
from bench.stage import standing
from bench.table import render
from launcher.layout import DataFolder
from tests.chaos.errors import Missing

STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 if the figures are there, whatever they say."""
    names = {name: [each.name for each in scenario.contestants] for name, scenario in SCENARIOS.items()}
    options = parse(arguments, names)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(130))
    folder = options.peers_dir or DataFolder.from_environment(os.environ).path / "bench-peers"
    try:
        with standing(Peers(folder.absolute()), keep=options.keep) as stage:
            facts = {"commit": machine.commit(), "rounds": options.rounds, "scale": options.scale}
            contest = Contest(stage, options.rounds, options.scale, options.peers)
            figures = [contest.run(SCENARIOS[name]) for name in options.scenarios]
            facts |= machine.describe(stage)
    except Missing as error:
        print(f"NOT RUN: this machine lacks {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"\n{render(figures)}", flush=True)
    if options.record:
        _record(figures, facts)
    return 0


def _record(figures: list[Figures], facts: dict[str, object]) -> None:
    path = results.save(results.RESULTS_DIR, figures, facts, datetime.now(UTC))
    targets = {name: scenario.targets for name, scenario in SCENARIOS.items()}
    results.renew(results.README, results.chapter(results.RESULTS_DIR, targets))
    print(f"Recorded in {path.relative_to(results.BENCH_DIR.parent)} and {results.README.name}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
