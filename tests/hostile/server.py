"""The web process as `run.py` and as the image start it, without anything else: its processes, logs and tables."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.service import Service, answers, own_environment, wait_for

SECRET_URL = "redis://:hunter2-of-the-broker@127.0.0.1:1/0"  # nobody listens there
SETTINGS = {"CELERY_BROKER_URL": "none", "SECRET_KEY": "a-secret-of-this-test-only-" * 3}


@dataclass
class Web:
    """One web server over an empty SQLite database."""

    service: Service

    @property
    def port(self) -> int:
        return self.service.options.port

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.service.folder / "web.log").read_text(errors="replace")

    @property
    def processes(self) -> set[int]:
        """The ids of gunicorn's worker processes."""
        parent = self.service.running["web"].pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        return set(map(int, children.split()))

    def peak_mib(self) -> float:
        """The most memory that one of its processes has had."""
        return max(_peak_kib(pid) for pid in self.processes) / 1024

    def rows(self) -> dict[str, str]:
        """What every table holds."""
        with closing(self._connection()) as connection:
            names = [
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return {name: repr(connection.execute(f'SELECT * FROM "{name}"').fetchall()) for name in names}

    @contextmanager
    def unchanged(self) -> Iterator[Callable[[], bool]]:
        """Asks whether nobody has committed anything since it was asked last."""
        with closing(self._connection()) as connection:
            last = connection.execute("PRAGMA data_version").fetchone()

            def is_unchanged() -> bool:
                nonlocal last
                before, last = last, connection.execute("PRAGMA data_version").fetchone()
                return bool(before == last)

            yield is_unchanged

    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self.service.folder / "scheduler.sqlite3", isolation_level=None)


def _peak_kib(pid: int) -> int:
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]


@contextmanager
def started(folder: Path, **variables: str) -> Iterator[Web]:
    """Start it, and stop it."""
    service = Service(folder, own_environment(folder, **SETTINGS, **variables))
    service.migrate()
    try:
        service.start("web")
        wait_for(lambda: answers(service.options.port, "/health/live"), "the API")
        yield Web(service)
    finally:
        service.stop_all()
