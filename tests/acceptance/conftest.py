"""One running service per stack, for all acceptance tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from launcher.layout import DataFolder
from tests.acceptance import stacks
from tests.acceptance.service import FAST, Service, answers, own_environment, wait_for


def flush_embedded(folder: Path) -> None:
    client = redis.Redis(unix_socket_path=str(DataFolder(folder).socket))
    client.flushall()
    client.close()


@pytest.fixture(scope="session", params=stacks.reachable())
def stack(request: pytest.FixtureRequest) -> Iterator[stacks.Stack]:
    with stacks.made(request.param) as made:
        yield made


@pytest.fixture(scope="session")
def service(stack: stacks.Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Web, scheduler worker, beat and Flower are running; the worker is started by the tests."""
    # Short: the broker's socket lies in it.
    folder = tmp_path_factory.mktemp("s")
    made = Service(folder, own_environment(folder, **FAST, **stack.variables))
    try:
        if not stack.broker_url:
            made.start_broker()
        made.migrate()
        made.start("web", "scheduler", "beat", "flower")
        wait_for(lambda: answers(made.options.port, "/health/live"), "the API")
        wait_for(lambda: answers(made.options.flower_port, "/healthcheck"), "Flower")
        yield made
    finally:
        made.stop_all()


@pytest.fixture
def purge(stack: stacks.Stack, service: Service) -> object:
    """Loses everything that the broker holds."""
    return stack.purge or (lambda: flush_embedded(service.folder))
