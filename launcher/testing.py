"""`run.py test`: the whole suite on the embedded default, and again where real services can be reached."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from launcher import environment
from launcher.errors import LauncherError
from launcher.layout import PROJECT_DIR, VENV_PYTHON

# What a developer's shell may hold, and the suite must not depend on.
FOREIGN = ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
TEST_VARIABLES = ("TEST_POSTGRES_URL", "TEST_REDIS_URL", "TEST_RABBITMQ_URL")
INTEGRATION = "tests/integration"
NOTHING_COLLECTED = 5


def main(arguments: list[str]) -> int:
    """Run the suite; arguments go to pytest. Returns 0 only if every run passed.

    With CI=true a service that cannot be reached is a failure too.
    """
    environment.prepare("dev")
    reached, missing = _probe(os.environ)
    with tempfile.TemporaryDirectory(prefix="scheduler-test-") as folder:
        base = suite_environment(os.environ, reached, folder)
        code = _pytest("SQLite, embedded broker", arguments, base)
        selection = integration_arguments(arguments)
        if "TEST_POSTGRES_URL" in reached and selection is not None and code in (0, 1):
            again = _pytest("PostgreSQL", selection, {**base, "DATABASE_URL": reached["TEST_POSTGRES_URL"]})
            # A selection such as `-k` may hold no integration test.
            code = code or (0 if again == NOTHING_COLLECTED else again)
    return _conclude(code, missing, strict=os.environ.get("CI", "").lower() in ("true", "1"))


def suite_environment(environ: Mapping[str, str], reached: Mapping[str, str], folder: str) -> dict[str, str]:
    """The caller's environment with a data folder of its own, and only those services that answered."""
    kept = {name: value for name, value in environ.items() if name not in (*FOREIGN, *TEST_VARIABLES)}
    return {**kept, **reached, "SCHEDULER_DATA_DIR": folder}


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


def _pytest(title: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    print(f"\n=== Tests on {title}", flush=True)
    command = [str(VENV_PYTHON), "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=PROJECT_DIR, env=environ, check=False).returncode


def _conclude(code: int, missing: list[str], *, strict: bool) -> int:
    if not missing:
        print("\nReached: PostgreSQL, Redis, RabbitMQ.")
        return code
    print(f"\nNot tested, since not reached: {'; '.join(missing)}.", file=sys.stderr)
    if strict:
        print("With CI=true that is a failure.", file=sys.stderr)
    return code or int(strict)
