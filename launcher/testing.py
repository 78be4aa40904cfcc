"""`run.py test`: the whole suite on the embedded default, and again where real services can be reached."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from launcher import environment
from launcher.errors import LauncherError
from launcher.layout import PROJECT_DIR, VENV_PYTHON

# What a developer's shell may hold, and the suite must not depend on.
FOREIGN = ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
TEST_VARIABLES = ("TEST_POSTGRES_URL", "TEST_REDIS_URL", "TEST_RABBITMQ_URL")
INTEGRATION = "tests/integration"
NOTHING_COLLECTED = 5
BESIDE = "beside"
"""The data folder of what is run beside the first run, in that one's."""
# Whose tests start processes and use the servers' brokers, and the others.
PROCESSES = ("tests/acceptance", "tests/chaos", "tests/hostile", "tests/integration/test_doorbell.py")
REST = ("tests/unit", INTEGRATION)


class Run(NamedTuple):
    """One call of pytest."""

    title: str
    arguments: Sequence[str]
    environ: Mapping[str, str]


def main(arguments: list[str]) -> int:
    """Run the suite; arguments go to pytest. Returns 0 only if every run passed.

    With CI=true a service that cannot be reached is a failure too.
    """
    environment.prepare("dev")
    reached, missing = _probe(os.environ)
    with tempfile.TemporaryDirectory(prefix="scheduler-test-") as folder:
        Path(folder, BESIDE).mkdir()
        first, others = runs(arguments, suite_environment(os.environ, reached, folder))
        beside = Beside(others)
        try:
            code = _pytest(first)
        finally:
            codes = beside.finish()
    return _conclude(
        conclusion([code, *codes]), missing, strict=os.environ.get("CI", "").lower() in ("true", "1")
    )


def runs(arguments: list[str], base: Mapping[str, str]) -> tuple[Run, list[Run]]:
    """What is run before the eyes of whoever asked, and what is run beside that, one after the other.

    Of the whole suite, the tests of real processes are run apart: half of their time they wait.
    """
    alone = without_brokers(base)
    selection = integration_arguments(arguments)
    others = []
    if "TEST_POSTGRES_URL" in base and selection is not None:
        others = [Run("PostgreSQL", selection, {**alone, "DATABASE_URL": base["TEST_POSTGRES_URL"]})]
    if any(map(_is_test_path, arguments)):
        return Run("SQLite, embedded broker", arguments, base), others
    processes = Run("real processes and brokers", [*arguments, *PROCESSES], base)
    return processes, [Run("SQLite, embedded broker", [*arguments, *REST], alone), *others]


def conclusion(codes: Sequence[int]) -> int:
    """pytest's return code for several runs. A selection such as `-k` may leave nothing for some of them."""
    found = [code for code in codes if code != NOTHING_COLLECTED]
    return next(filter(None, found), 0) if found else NOTHING_COLLECTED


def suite_environment(environ: Mapping[str, str], reached: Mapping[str, str], folder: str) -> dict[str, str]:
    """The caller's environment with a data folder of its own, and only those services that answered."""
    kept = {name: value for name, value in environ.items() if name not in (*FOREIGN, *TEST_VARIABLES)}
    return {**kept, **reached, "SCHEDULER_DATA_DIR": folder}


def without_brokers(base: Mapping[str, str]) -> dict[str, str]:
    """The environment of what is run beside the first run, which has the brokers to itself, and empties them."""
    kept = {
        name: value for name, value in base.items() if name not in ("TEST_REDIS_URL", "TEST_RABBITMQ_URL")
    }
    return {**kept, "SCHEDULER_DATA_DIR": str(Path(base["SCHEDULER_DATA_DIR"], BESIDE))}


def integration_arguments(arguments: Sequence[str]) -> list[str] | None:
    """pytest's arguments for the second run, or None if the paths among them name no integration test."""
    paths = [argument for argument in arguments if _is_test_path(argument)]
    inside = [path for path in paths if path.removeprefix("./").startswith(INTEGRATION)]
    if paths and not inside:
        whole = [path for path in paths if path.strip("./") in ("tests", "")]
        return [*_without(arguments, paths), INTEGRATION] if whole else None
    return [*_without(arguments, paths), *(inside or [INTEGRATION])]


def _is_test_path(argument: str) -> bool:
    # The value of an option (`-k name`) is no path; a node id is a path up to its `::`.
    path = argument.partition("::")[0]
    is_below = path.removeprefix("./").partition("/")[0] == "tests" or path in (".", "./")
    return not argument.startswith("-") and is_below and (PROJECT_DIR / path).exists()


def _without(arguments: Sequence[str], paths: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if argument not in paths]


def _probe(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    command = [str(VENV_PYTHON), "-m", "launcher.services"]
    answer = subprocess.run(
        command, cwd=PROJECT_DIR, env=environ, stdout=subprocess.PIPE, text=True, check=False
    )
    if answer.returncode:
        raise LauncherError("The look for PostgreSQL, Redis and RabbitMQ failed; the reason stands above.")
    reached, missing = json.loads(answer.stdout)
    return reached, missing


class Beside:
    """Runs of pytest, one after the other, whose output is shown when all is over."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._outputs: list[bytes] = []
        self._codes: list[int] = []
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        for run in self._runs:
            # No input: a debugger would wait for answers that nobody can give.
            done = subprocess.run(
                _command(run),
                cwd=PROJECT_DIR,
                env=run.environ,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            self._outputs.append(done.stdout)
            self._codes.append(done.returncode)
            if done.returncode not in (0, 1, NOTHING_COLLECTED):
                return  # interrupted, or called wrongly

    def finish(self) -> list[int]:
        """Wait for their ends and show what they said; pytest's return codes."""
        self._thread.join()
        for run, output in zip(self._runs, self._outputs, strict=False):
            print(
                f"\n=== Tests on {run.title} (they ran beside)\n{output.decode(errors='replace')}", flush=True
            )
        return self._codes


def _command(run: Run) -> list[str]:
    return [str(VENV_PYTHON), "-m", "pytest", *run.arguments]


def _pytest(run: Run) -> int:
    print(f"\n=== Tests on {run.title}", flush=True)
    return subprocess.run(_command(run), cwd=PROJECT_DIR, env=run.environ, check=False).returncode


def _conclude(code: int, missing: list[str], *, strict: bool) -> int:
    if not missing:
        print("\nReached: PostgreSQL, Redis, RabbitMQ.")
        return code
    print(f"\nNot tested, since not reached: {'; '.join(missing)}.", file=sys.stderr)
    if strict:
        print("With CI=true that is a failure.", file=sys.stderr)
    return code or int(strict)
