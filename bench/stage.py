"""What a measurement stands on: servers, the contestants' processes, a database as new for each of them."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.installing import Peers
from bench.servers import Postgres
from launcher import pids
from launcher.layout import PROJECT_DIR, VENV_PYTHON
from launcher.processes import LOOPBACK, Process
from launcher.supervisor import bound_to_parent
from tests.chaos import brokers, janitor, roles
from tests.chaos.ports import free_port

FOREIGN = ("DATABASE_URL", "CELERY_BROKER_URL", "SCHEDULER_DATA_DIR", "DJANGO_SETTINGS_MODULE", "SECRET_KEY")
MOST_SECONDS = 60.0
"""What a measurement of one contestant may take, without its preparation."""
READY_SECONDS = 60.0
HELPER_SECONDS = 180.0
"""What a helper may take, one that prepares included."""
OURS = {
    "DJANGO_SETTINGS_MODULE": "bench.ours.settings",
    "EXTRA_APPS": "bench.ours",
    "LOG_LEVEL": "WARNING",
}


class TooSlow(Exception):
    """Something that has to happen before a measurement did not happen in time."""


class Stage:
    """One for a whole run; `fresh` and `clear` part the measurements from each other."""

    def __init__(self, folder: Path, peers: Peers) -> None:
        self.folder = folder
        self.peers = peers
        self.postgres = Postgres(folder, free_port())
        self.redis = brokers.Redis(folder)
        self.web_port = free_port()
        self.roles = roles.Roles(folder, self.environ())
        self._templates: set[str] = set()
        self._open = contextlib.ExitStack()

    def open(self) -> None:
        """Start the servers."""
        self._open.callback(self.postgres.stop)
        self.postgres.create()
        self.postgres.start()
        self._open.callback(self.redis.stop)
        self.redis.start()
        servers = {"postgres": self.postgres.popen, "broker": self.redis.popen}
        pids.record(
            self.folder / "servers.json", {name: popen.pid for name, popen in servers.items() if popen}
        )
        self._open.callback(self.roles.stop)

    def close(self) -> None:
        self._open.close()

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.redis.address()}"

    def environ(self) -> dict[str, str]:
        """The environment of every process: where the servers are, and nothing of the caller's settings."""
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        return {
            **kept,
            **OURS,
            "DATABASE_URL": self.postgres.url(),
            "CELERY_BROKER_URL": self.broker_url,
            "REDIS_SOCKET": str(self.redis.address()),
            "SCHEDULER_DATA_DIR": str(self.folder / "data"),
            "NODE_PATH": str(self.peers.node_modules),
            "NODE_ENV": "production",
            "PYTHONUNBUFFERED": "1",
        }

    def fresh(self, name: str, prepare: Callable[["Stage"], object]) -> None:
        """An empty broker, and a database as `prepare` has left it; it is called once per name.

        A large one is not copied: it is as the last measurement has left it, which has to tidy up behind itself.
        """
        self.redis.forget()
        if name in self._templates:
            self.postgres.fresh(f"ready_{name}")
            return
        self.postgres.fresh()
        prepare(self)
        self.postgres.keep_as(f"ready_{name}")
        self._templates.add(name)

    def run(self, *command: str, seconds: float = HELPER_SECONDS, **variables: str) -> str:
        """Run a helper to its end; what it printed. Raises RuntimeError with the end of what it said if it failed."""
        answer = subprocess.run(
            command,
            cwd=PROJECT_DIR,
            env={**self.environ(), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            start_new_session=True,
            preexec_fn=bound_to_parent(signal.SIGKILL),
        )
        if answer.returncode:
            raise RuntimeError(f"{' '.join(command)[:200]} failed: {answer.stderr.strip()[-1500:]}")
        return answer.stdout

    def ours(self, module: str, *arguments: object, **variables: str) -> str:
        """Run a helper module in the project's environment."""
        return self.run(str(VENV_PYTHON), "-m", module, *map(str, arguments), **variables)

    def start(self, name: str, command: Sequence[str], **variables: str) -> None:
        self.roles.start(Process(name, tuple(command)), **variables)

    def start_all(self, processes: Sequence[Process], **variables: str) -> None:
        for process in processes:
            self.roles.start(process, **variables)

    def clear(self) -> None:
        """End every process of the contestant."""
        self.roles.stop()

    def freeze(self, kind: str = "worker") -> None:
        """Stop the clock of these processes: what is submitted now is accepted, and not begun."""
        self._signal(kind, signal.SIGSTOP)

    def thaw(self, kind: str = "worker") -> None:
        self._signal(kind, signal.SIGCONT)

    def _signal(self, kind: str, number: signal.Signals) -> None:
        for role in self.roles.alive(kind):
            pids.signal_group(role.popen.pid, number)

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = READY_SECONDS) -> None:
        """Raises TooSlow, or RuntimeError if a process has died meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.check_alive()
            if time.monotonic() > deadline:
                raise TooSlow(f"waited {seconds:g} s for {what}")
            time.sleep(0.02)

    def check_alive(self) -> None:
        """Raises RuntimeError if a process has died, with the end of its log."""
        for name, role in self.roles.roles.items():
            if not role.is_alive:
                log = (self.folder / f"{name}.log").read_text(errors="replace")[-1500:]
                raise RuntimeError(f"{name} has ended:\n{log}")


@contextlib.contextmanager
def standing(peers: Peers, *, keep: bool = False) -> Iterator[Stage]:
    """A stage, and its end whatever happens, a kill of this process included. Raises Missing."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # PostgreSQL's socket lies in it, and the server runs as another user
    watcher = janitor.start(folder)
    stage = Stage(folder, peers)
    try:
        stage.open()
        yield stage
    finally:
        stage.close()
        if keep:
            print(f"The logs are in {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        watcher.communicate(janitor.FAREWELL)


def loopback(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"
