"""Fixtures of the tests that use a real database. The broker is not part of them: rings are recorded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from access_app.permissions import HasScope
from access_app.principals import Principal, principal_of
from tasks_app import doorbell
from tasks_app.operations.http import wire
from tests.integration.certificates import Certificates
from tests.integration.receiver import Receiver


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queues that were rung, in order. No message leaves the process."""
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "_send", lambda queue, most: rung.append(queue))
    return rung


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Change fields of the configuration, until the test ends."""

    def change(**update: Any) -> None:
        settings.CONFIG = settings.CONFIG.model_copy(update=update)

    return change


@pytest.fixture
def principals(monkeypatch: pytest.MonkeyPatch) -> list[Principal]:
    """Those whose requests a view was asked about, in order."""
    seen: list[Principal] = []
    real = HasScope.has_permission

    def record(self: HasScope, request: Any, view: Any) -> bool:
        seen.append(principal_of(request))
        return real(self, request, view)

    monkeypatch.setattr(HasScope, "has_permission", record)
    return seen


@pytest.fixture
def receiver(configure: Callable[..., None]) -> Iterator[Receiver]:
    """A server that `http.request` may reach, as the settings have opened it."""
    with Receiver() as receiver:
        configure(http_allowed_hosts=(f"127.0.0.1:{receiver.port}",))
        yield receiver


@pytest.fixture
def certificates(tmp_path: Path) -> Iterator[Certificates]:
    """An authority that nobody trusts before `trust`."""
    wire.tls_context.cache_clear()
    yield Certificates(tmp_path)
    wire.tls_context.cache_clear()
