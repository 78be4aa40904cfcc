"""For all tests: what they count goes to a folder of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler_service.metrics import counts


@pytest.fixture(autouse=True)
def metrics_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the metrics, empty."""
    folder = tmp_path_factory.mktemp("metrics")
    counts.configure(folder)
    yield folder
    counts.configure(None)
