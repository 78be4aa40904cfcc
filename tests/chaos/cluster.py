"""Everything that a run needs: servers, proxies, the service's processes; it is gone when the run is."""

import asyncio
import contextlib
import http.client
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from launcher import pids
from launcher.layout import PROJECT_DIR, VENV_PYTHON
from tests.chaos import audit, brokers, callbacks, janitor, roles
from tests.chaos.errors import Missing
from tests.chaos.history import Outcome
from tests.chaos.ports import LOOPBACK, free_port
from tests.chaos.postgres import Postgres
from tests.chaos.proxy import Proxy
from tests.chaos.web import request

FOREIGN = ("DATABASE_URL", "CELERY_BROKER_URL", "SCHEDULER_DATA_DIR", "DJANGO_SETTINGS_MODULE", "SECRET_KEY")
READY_SECONDS = 90.0
FAST = {
    "LEASE_SECONDS": "6",
    "RESCUE_INTERVAL_SECONDS": "1",
    "RETRY_BASE_SECONDS": "0.3",
    "RETRY_CAP_SECONDS": "2",
    "TIMEOUT_GRACE_SECONDS": "1",
    "SHUTDOWN_GRACE_SECONDS": "2",
    "LOG_LEVEL": "INFO",
    # Occurrences of the last hours count as on time: schedules of whole hours can then fire within a run.
    "LATE_AFTER_SECONDS": "14400",
    # Nothing may vanish before it was judged.
    **{f"RETENTION_{name}_DAYS": "0" for name in ("SUCCESS", "ERROR", "CANCELLED", "EXPIRED")},
}


class Cluster:
    """PostgreSQL and broker behind proxies, and a supervisor for the service's processes."""

    def __init__(self, folder: Path, broker: str, seed: str, variables: dict[str, str]) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.postgres = Postgres(folder)
        self.broker = brokers.make(broker, folder)
        self.ports = [free_port(), free_port()]
        self.variables = {**FAST, **variables}
        self._seed = seed
        self._open = contextlib.ExitStack()

    @property
    def lease_seconds(self) -> float:
        return float(self.variables["LEASE_SECONDS"])

    def open(self) -> None:
        """Start servers and proxies, and make the tables; no process of the service runs yet."""
        self.journal.mkdir()
        self._open.callback(self.postgres.stop)
        self.postgres.create()
        self.postgres.start()
        self._open.callback(self.broker.stop)
        self.broker.start()
        self.record_servers()
        self.database_proxy = self._proxy(self.postgres.socket, "database", speaks_postgres=True)
        self.broker_proxy = self._proxy(self.broker.address(), "broker", speaks_postgres=False)
        self.roles = roles.Roles(self.folder, self._environ())
        self._open.callback(self.roles.stop)
        self.postgres.create_database()
        self._migrate()
        with self.postgres.session() as cursor:
            cursor.execute(audit.INSTALL)

    def _proxy(self, address: tuple[str, int] | str, name: str, *, speaks_postgres: bool) -> Proxy:
        connect: Callable[..., Any] = asyncio.open_connection
        if isinstance(address, str):
            proxy = Proxy(
                lambda: asyncio.open_unix_connection(address),
                speaks_postgres=speaks_postgres,
                seed=f"{self._seed}:{name}",
            )
        else:
            proxy = Proxy(
                lambda: connect(*address), speaks_postgres=speaks_postgres, seed=f"{self._seed}:{name}"
            )
        self._open.callback(proxy.stop)
        return proxy

    def close(self) -> None:
        self._open.close()

    def record_servers(self) -> None:
        """Note the servers' process numbers for the janitor."""
        postgres = self.postgres.popen
        found = {} if postgres is None else {"postgres": postgres.pid}
        pids.record(self.folder / "servers.json", found | self.broker.processes())

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        return {
            **kept,
            **callbacks.SETTINGS,
            **self.variables,
            "DATABASE_URL": self.postgres.url(self.database_proxy.port),
            "CELERY_BROKER_URL": self.broker.url(self.broker_proxy.port),
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "SCHEDULER_DATA_DIR": str(self.folder / "data"),
            "CHAOS_JOURNAL": str(self.journal),
            "PYTHONUNBUFFERED": "1",
        }

    def _migrate(self) -> None:
        command = [str(VENV_PYTHON), "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=PROJECT_DIR, env=self._environ(), check=True)

    def start_service(self) -> None:
        """Start the whole service and wait until each part of it works."""
        for process in roles.service(self.ports):
            self.roles.start(process)
        self.wait(self.is_ready, "every process of the service", READY_SECONDS)
        self.wait(self.works, "the service to run a task", READY_SECONDS)

    def is_ready(self) -> bool:
        """Whether every web process answers and every worker has its children."""
        return all(self.answers(port) for port in self.ports) and all(
            roles.children(role.popen.pid) for role in self.roles.alive("worker", "scheduler")
        )

    def works(self) -> bool:
        """Whether a task is run to its end; it stays among the others."""
        body = {"operation": "chaos.quick", "arguments": {"value": 0}}
        answer = request(self.ports[0], "POST", "/tasks/", body)
        if answer.outcome is not Outcome.OK:
            return False
        path, deadline = f"/tasks/{answer.body['task_id']}/", time.monotonic() + 5
        while time.monotonic() < deadline:
            if (request(self.ports[0], "GET", path).body or {}).get("status") == "SUCCESS":
                return True
            time.sleep(0.1)
        return False

    def answers(self, port: int) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def supervise(self) -> None:
        """Start again what has died, the servers included."""
        self.roles.supervise()
        if self.postgres.supervise() or self.broker.supervise():
            self.record_servers()

    def wait(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        """Supervise until the condition holds. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s for {what}; the logs are in {self.folder}")
            self.supervise()
            time.sleep(0.1)


@contextlib.contextmanager
def running(
    broker: str = "redis", seed: str = "0", keep: bool = False, **variables: str
) -> Iterator[Cluster]:
    """A cluster, and its end whatever happens. Raises Missing.

    Its folder with the logs is left if `keep` says so, or if something goes wrong; not after an interruption.
    """
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o755)  # PostgreSQL's socket lies in it, and the server runs as another user
    watcher = janitor.start(folder)
    try:
        cluster = Cluster(folder, broker, seed, variables)
        try:
            cluster.open()
            yield cluster
        finally:
            cluster.close()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    except (Missing, KeyboardInterrupt, SystemExit):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        watcher.communicate(janitor.FAREWELL)
