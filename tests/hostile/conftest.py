"""One web server, with one of everything in it, for all tests."""

from collections.abc import Iterator

import pytest

from tests.hostile.server import Web, started
from tests.hostile.sweep import Operation, Session, operations, seed

MOST_BODY = 1_000_000
PATIENCE_SECONDS = 2


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """As `run.py` starts it; only a client's patience is shorter, and a body smaller."""
    limits = {"CLIENT_PATIENCE_SECONDS": str(PATIENCE_SECONDS), "MAX_BODY_BYTES": str(MOST_BODY)}
    with started(tmp_path_factory.mktemp("w"), **limits) as made:
        yield made


@pytest.fixture(autouse=True)
def _lives_on(web: Web) -> Iterator[None]:
    before, written = web.processes, len(web.log)
    yield
    assert web.processes == before, "a web process has ended"
    log = web.log[written:]
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def session(web: Web) -> Iterator[Session]:
    made = Session(web)
    yield made
    made.close()


@pytest.fixture(scope="session")
def ids(session: Session) -> dict[str, str]:
    """Of one of everything, by the names that ids have in addresses."""
    return seed(session)


@pytest.fixture(scope="session")
def told(session: Session, ids: dict[str, str]) -> list[Operation]:
    """Every address and method of the document."""
    found = operations(session, ids)
    assert len(found) > 30
    return found


@pytest.fixture(scope="session")
def told_bodies(told: list[Operation]) -> list[Operation]:
    """Those that take a body."""
    found = [each for each in told if each.fields is not None]
    assert len(found) > 9
    return found
