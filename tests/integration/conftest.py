"""Fixtures of the tests that use a real database. The broker is not part of them: rings are recorded."""

import pytest

from tasks_app import doorbell


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queues that were rung, in order. No message leaves the process."""
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "_send", lambda queue, most: rung.append(queue))
    return rung
