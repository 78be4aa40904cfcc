"""`python3 run.py chaos`: one run, its summary, and exit code 1 if a promise was broken."""

import argparse
import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime

from tests.chaos import harness, summary
from tests.chaos.checker import check
from tests.chaos.cluster import running
from tests.chaos.errors import Missing

STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        "run.py chaos", description="Runs the service under faults, and judges it."
    )
    parser.add_argument("--seconds", type=float, default=120, help="of faults (default: %(default)g)")
    parser.add_argument(
        "--seed",
        default=str(random.SystemRandom().randrange(10**6)),
        help="repeats a run, as far as processes allow",
    )
    parser.add_argument("--broker", choices=["redis", "rabbitmq"], default="redis")
    parser.add_argument("--rate", type=float, default=12, help="tasks per second (default: %(default)g)")
    parser.add_argument(
        "--gap", type=float, default=2, help="mean seconds between two faults (default: %(default)g)"
    )
    parser.add_argument(
        "--lease", type=float, default=6, help="LEASE_SECONDS of the service (default: %(default)g)"
    )
    parser.add_argument("--record", action="store_true", help="add a row to docs/guarantees.md")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run once."""
    options = parse(arguments)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        return _run(options)
    except Missing as error:
        print(f"NOT RUN: this machine lacks {error}.", file=sys.stderr)
        return int(os.environ.get("CI", "").lower() in ("true", "1"))


def _run(options: argparse.Namespace) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)

    plan = harness.Plan(seconds=options.seconds, seed=options.seed, rate=options.rate, fault_gap=options.gap)
    with running(options.broker, options.seed, options.keep, LEASE_SECONDS=f"{options.lease:g}") as cluster:
        say(f"seed {plan.seed}; logs in {cluster.folder}")
        history = harness.run(cluster, plan, say)
        violations = check(history)
        print(f"\n{summary.text(plan, cluster, history, violations)}", flush=True)
        if options.keep:
            (cluster.folder / "history.json").write_text(json.dumps(asdict(history), default=str))
        if options.record:
            summary.record(plan, cluster, history, violations, f"{datetime.now(UTC):%Y-%m-%d}")
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
