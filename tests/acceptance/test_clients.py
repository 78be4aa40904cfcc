"""Programs that use the live service: a client that OpenAPI Generator makes, and the examples of the documents."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from launcher.layout import PROJECT_DIR, VENV_PYTHON
from launcher.processes import LOOPBACK
from tests.acceptance.clients import EXAMPLES, GENERATOR, generate, run_example
from tests.acceptance.reluctance import reluctant
from tests.acceptance.service import FAST, Service, answers, own_environment, request, wait_for

pytestmark = pytest.mark.timeout(300)

ALONE = ("-c", os.devnull, "--rootdir", ".", "--noconftest", "-p", "no:django", "-p", "no:cacheprovider")
"""Options of a pytest that knows nothing of this project."""


@dataclass(frozen=True)
class Live:
    """A service that asks for keys, and a key of it."""

    url: str
    key: str

    def schedules(self) -> int:
        """How many there are; at most 100."""
        port, headers = urlsplit(self.url).port, {"Authorization": f"Bearer {self.key}"}
        status, page = request(port or 0, "GET", "/task-schedules/?page_size=100", headers=headers)
        assert status == 200, page
        return len(page["results"])


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """With its workers, and on the embedded broker: clients see no other side of it."""
    folder = tmp_path_factory.mktemp("s")
    service = Service(folder, own_environment(folder, API_KEYS_REQUIRED="true", **FAST))
    try:
        service.start_broker()
        service.migrate()
        service.start("web", "worker", "scheduler", "beat")
        wait_for(lambda: answers(service.options.port, "/health/live"), "the API")
        yield Live(f"http://{LOOPBACK}:{service.options.port}", new_key(service))
    finally:
        service.stop_all()


def new_key(service: Service) -> str:
    command = [str(VENV_PYTHON), "manage.py", "apikey", "create", "clients"]
    made = subprocess.run(
        command, cwd=PROJECT_DIR, env=service.environ, capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


@pytest.fixture(scope="module")
def generated(live: Live, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of the client that the command of `docs/api.md` makes."""
    folder = tmp_path_factory.mktemp("client")
    generate(live.url, folder)
    return str(folder)


def test_the_generator_has_nothing_to_say_against_the_document(live: Live) -> None:
    command = [str(GENERATOR), "validate", "--recommend", "-i", f"{live.url}/swagger.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["No validation issues detected."]), done


def test_a_generated_client_does_what_a_person_does(live: Live, generated: str) -> None:
    variables = {"PYTHONPATH": generated, "SCHEDULER_URL": live.url, "SCHEDULER_KEY": live.key}
    environ = {**os.environ, **variables}
    command = [sys.executable, "-m", "pytest", *ALONE, "tests/acceptance/generated_client_checks.py"]
    done = subprocess.run(command, cwd=PROJECT_DIR, env=environ, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def check_what_it_said(said: str) -> None:
    *outcomes, next_run, refusal = [" ".join(line.split()) for line in said.splitlines()]
    assert sorted(outcomes) == ["14 SUCCESS 13", "40 SUCCESS 11"]
    assert re.match(r"next run: 20\d\d-", next_run)
    assert refusal.startswith("validation_error at #/operation: operation: ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_documents_sends_waits_reads_and_is_refused(
    live: Live, generated: str, tmp_path: Path, name: str
) -> None:
    with reluctant(live.url) as proxy:
        variables = {"SCHEDULER_URL": proxy.url, "SCHEDULER_KEY": live.key}
        check_what_it_said(run_example(name, tmp_path, PYTHONPATH=generated, **variables))
    assert proxy.keys.keys() == {"/tasks/batch-request/", "/task-schedules/", "/tasks/"}
    for path in ("/tasks/batch-request/", "/task-schedules/"):
        first, *others = proxy.keys[path]
        assert (bool(first), others) == (True, [first])


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_created_twice(
    live: Live, generated: str, tmp_path: Path, name: str
) -> None:
    before = live.schedules()
    with reluctant(live.url, loses_answers=True) as proxy:
        variables = {"SCHEDULER_URL": proxy.url, "SCHEDULER_KEY": live.key}
        check_what_it_said(run_example(name, tmp_path, PYTHONPATH=generated, **variables))
    assert len(proxy.keys["/task-schedules/"]) == 2
    assert live.schedules() == before + 1
