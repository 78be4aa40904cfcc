"""The command line of `run.py bench`."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path


def parse(arguments: Sequence[str], scenarios: Mapping[str, Sequence[str]]) -> argparse.Namespace:
    """The options; `scenarios` names each scenario's contestants. Exits with a message for what is unknown."""
    peers = sorted({name for names in scenarios.values() for name in names})
    parser = argparse.ArgumentParser(
        "run.py bench", description="Measures the service and its alternatives in one run, in turns."
    )
    parser.add_argument(
        "scenarios", nargs="*", metavar="scenario", help=f"{', '.join(scenarios)} (default: all)"
    )
    parser.add_argument(
        "--peers", nargs="*", metavar="NAME", help=f"only these: {', '.join(peers)}; ours always runs"
    )
    parser.add_argument("--rounds", type=_positive, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--scale", type=_scale, default=1.0, metavar="S", help="multiplies the sizes (default: %(default)g)"
    )
    parser.add_argument(
        "--record", action="store_true", help="add to bench/results/ and renew the figures of both READMEs"
    )
    parser.add_argument(
        "--renew", action="store_true", help="only renew the READMEs from what is recorded; measure nothing"
    )
    parser.add_argument("--peers-dir", type=Path, metavar="DIR", help="where peers are installed")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args(arguments)
    # `--peers a drain` takes the scenario for a peer's name; say so instead of running everything.
    _refuse_unknown(parser, "scenario", options.scenarios, scenarios)
    _refuse_unknown(parser, "peer", options.peers or (), peers)
    if options.record and options.scale != 1:
        parser.error("--record is for figures of full size: leave --scale out")
    options.scenarios = options.scenarios or list(scenarios)
    return options


def _refuse_unknown(
    parser: argparse.ArgumentParser,
    kind: str,
    given: Sequence[str],
    known: Sequence[str] | Mapping[str, object],
) -> None:
    for name in given:
        if name not in known:
            parser.error(f"no {kind} is named {name!r}; there are {', '.join(known)}")


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100")
    return int(text)


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0.001 <= scale <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0.001 to 100")
    return scale
