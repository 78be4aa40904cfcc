"""A live service of which Schemathesis makes requests, right ones and wrong ones, with a key of its own project.

All of its checks are on, and what is left out of them stands in `hooks.py`, with the reasons. More examples,
and others: TEST_API_EXAMPLES, TEST_API_SEED.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from launcher.layout import PROJECT_DIR
from launcher.processes import LOOPBACK
from tests.acceptance import stacks
from tests.acceptance.conformance.client import LATER, Client, Things, bearer
from tests.acceptance.conformance.keys import Keys
from tests.acceptance.service import FAST, Service, answers, own_environment, wait_for

HERE = Path(__file__).parent
EXAMPLES = int(os.environ.get("TEST_API_EXAMPLES", "5"))
SEED = os.environ.get("TEST_API_SEED", "1")
SETTINGS = {
    "API_KEYS_REQUIRED": "true",
    "KEY_REQUESTS_PER_SECOND": "0",
    # Callbacks go to a port of this machine on which nobody listens.
    "HTTP_ALLOWED_HOSTS": LOOPBACK,
    "CALLBACK_MAX_ATTEMPTS": "2",
}
PHASES = {
    "SQLite": ("examples,fuzzing", "stateful"),
    # The bounds of each field, one by one, where the columns' types have bounds of their own.
    "PostgreSQL": ("examples,coverage,fuzzing", "stateful"),
}
STORIES = 6
"""How many stories are told for each example: one of them goes through few of the addresses."""


@dataclass(frozen=True)
class Talk:
    """One run of Schemathesis."""

    command: str
    code: int
    output: str
    report: Path


@dataclass(frozen=True)
class Run:
    """What Schemathesis said to a service that it had for itself, and the service."""

    service: Service
    keys: Keys
    talks: list[Talk]


@pytest.fixture(scope="package", params=list(PHASES))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The embedded broker on both: the API shows no other side of it."""
    with stacks.database(request.param) as url:
        folder = tmp_path_factory.mktemp("s")
        service = Service(folder, own_environment(folder, **FAST, DATABASE_URL=url))
        service.environ |= SETTINGS
        try:
            service.start_broker()
            service.migrate()
            service.start("web", "worker", "scheduler", "beat")
            wait_for(lambda: answers(service.options.port, "/health/live"), "the API")
            keys = Keys.made(service)
            talks = [_talk(service, bearer(keys.first), phases) for phases in PHASES[request.param]]
            yield Run(service, keys, talks)
        finally:
            service.stop_all()


def _stored(client: Client) -> list[dict[str, str]]:
    """What the first requests can be about; more tasks than are cancelled at once."""
    waiting = client.send("POST", "/tasks/batch-request/", [{"operation": "4+7", "run_at": LATER}] * 20)
    things = [vars(Things.made(client)) for _ in range(3)]
    return [*things, *({"task_id": task["task_id"]} for task in waiting.body["tasks"])]


def _talk(service: Service, headers: dict[str, str], phases: str) -> Talk:
    events = service.folder / f"{phases}.ndjson"
    examples = EXAMPLES * STORIES if phases == "stateful" else EXAMPLES
    options = f"--checks all --phases {phases} --max-examples {examples} --seed {SEED} --no-color"
    address = f"http://{LOOPBACK}:{service.options.port}/swagger.json"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        f"{HERE}/schemathesis.toml",
    ]
    command += ["run", address, *options.split(), "--report", "ndjson", "--report-ndjson-path", str(events)]
    environ = {
        **service.environ,
        "CONFORMANCE_AUTHORIZATION": headers["Authorization"],
        "CONFORMANCE_STORED": json.dumps(_stored(Client(service.options.port, headers))),
        "SCHEMATHESIS_HOOKS": "tests.acceptance.conformance.hooks",
    }
    done = subprocess.run(command, cwd=PROJECT_DIR, env=environ, capture_output=True, text=True, check=False)
    # Then it tells at length of each empty list that led nowhere.
    findings, _, rest = done.stdout.partition("Failed to extract data from response:")
    summary = rest.partition("= SUMMARY =")[2]
    return Talk(" ".join(command), done.returncode, findings + summary + done.stderr, events)
