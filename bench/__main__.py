"""`python3 run.py bench`: run scenarios, print the table, record it if asked."""

import os
import signal
import sys
from argparse import Namespace
from datetime import UTC, datetime

from bench import machine, pages, results
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
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 if every figure is there, whatever it says."""
    names = {name: [each.name for each in scenario.contestants] for name, scenario in SCENARIOS.items()}
    options = parse(arguments, names)
    if options.renew:
        _renew()
        return 0
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(INTERRUPTED))
    try:
        figures = _run(options)
    except Missing as error:
        print(f"NOT RUN: this machine lacks {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 1 if any(row.median is None for scenario in figures for row in scenario.rows) else 0


def _run(options: Namespace) -> list[Figures]:
    folder = options.peers_dir or DataFolder.from_environment(os.environ).path / "bench-peers"
    peers = Peers(folder.absolute())
    figures: list[Figures] = []
    with standing(peers, keep=options.keep) as stage:
        facts = {"commit": machine.commit(), "rounds": options.rounds, "scale": options.scale}
        facts |= machine.describe(stage)
        contest = Contest(stage, options.rounds, options.scale, options.peers)
        try:
            for name in options.scenarios:
                figures.append(contest.run(SCENARIOS[name]))
        finally:
            # Also of a run that was interrupted: the scenarios that are complete are worth as much.
            if figures:
                print(f"\n{render(figures)}\n\n{contest.durations()}", flush=True)
            if figures and options.record:
                _record(figures, facts | {"peers": peers.installed()})
    return figures


def _record(figures: list[Figures], facts: dict[str, object]) -> None:
    path = results.save(results.RESULTS_DIR, figures, facts, datetime.now(UTC))
    print(f"Recorded in {path.relative_to(results.BENCH_DIR.parent)}.")
    _renew()


def _renew() -> None:
    scenarios = list(SCENARIOS.values())
    for page in pages.expected(scenarios, results.RESULTS_DIR):
        pages.renew(page)
        print(f"Renewed {page.path.relative_to(results.BENCH_DIR.parent)}.")
    for name in pages.unexplained(scenarios, results.RESULTS_DIR):
        print(f"Missed, and without a reason in bench/README.md: {name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
