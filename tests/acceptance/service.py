"""Real processes over HTTP: the launcher's own list of processes, on free ports and a data folder of their own."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from launcher import broker, pids
from launcher.layout import PROJECT_DIR, VENV_PYTHON, DataFolder
from launcher.processes import LOOPBACK, Options, Process, embedded_broker, service_processes
from launcher.supervisor import spawn

PATIENCE_SECONDS = 90.0
TERMINAL = {"SUCCESS", "ERROR", "CANCELLED", "EXPIRED"}
FLOWER_LOGIN = "acceptance:only-in-this-test"
FAST = {
    "LEASE_SECONDS": "3",
    "RESCUE_INTERVAL_SECONDS": "0.5",
    "RETRY_BASE_SECONDS": "0.1",
    "FLOWER_BASIC_AUTH": FLOWER_LOGIN,
}
SIGNING_SECRET = "whsec_YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb2s="
FOREIGN = ("DATABASE_URL", "CELERY_BROKER_URL", "SCHEDULER_DATA_DIR", "DJANGO_SETTINGS_MODULE")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def own_environment(folder: Path, **variables: str) -> dict[str, str]:
    """This process's environment without what would lead to another database, broker or data folder."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {**kept, **variables, "SCHEDULER_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Ask until the condition holds. Fails the test, naming `what`, when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)


def request(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """One request: (status, decoded JSON or text)."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        text = response.read().decode()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, json.loads(text) if is_json else text
    finally:
        connection.close()


def answers(port: int, path: str) -> bool:
    try:
        return request(port, "GET", path)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


@dataclass
class Service:
    """The processes of one stack."""

    folder: Path
    environ: dict[str, str]
    receiver_port: int = 0
    """Where `callback_url` may lead, on 127.0.0.1; nothing listens there unless a test does."""
    options: Options = field(default_factory=lambda: Options(free_port(), free_port(), workers=2))
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.receiver_port = self.receiver_port or free_port()
        self.environ = {
            **self.environ,
            "HTTP_ALLOWED_HOSTS": f"{LOOPBACK}:{self.receiver_port}",
            "HTTP_SIGNING_SECRETS": SIGNING_SECRET,
            "CALLBACK_RETRY_BASE_SECONDS": "0.1",
            "CALLBACK_MAX_ATTEMPTS": "100",
        }

    def migrate(self) -> None:
        command = [str(VENV_PYTHON), "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=PROJECT_DIR, env=self.environ, check=True)

    def start_broker(self) -> None:
        folder = DataFolder(self.folder)
        self._start(embedded_broker(broker.server_path(), folder))
        wait_for(lambda: broker.answers(folder.socket), "the embedded broker")

    def start(self, *names: str) -> None:
        """Start processes of the launcher's list; `beat-2` is a second `beat`, under a node name of its own."""
        known = {process.name: process for process in service_processes(self.options)}
        for name in names:
            kind, _, number = name.partition("-")
            command = tuple(part.replace("@%h", f"{number}@%h") for part in known[kind].command)
            self._start(replace(known[kind], name=name, command=command))

    def stop(self, *names: str) -> None:
        """Stop gracefully, as `run.py` does; what does not stop in time is killed."""
        stopped = [self.running.pop(name) for name in names]
        for process in stopped:
            process.terminate()
        for process in stopped:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            pids.signal_group(process.pid, signal.SIGKILL)
            process.wait()

    def stop_all(self) -> None:
        broker_last = sorted(self.running, key=lambda name: name == "broker")
        self.stop(*(name for name in broker_last if name != "broker"))
        self.stop(*self.running)

    @contextmanager
    def with_processes(self, *names: str) -> Iterator[None]:
        self.start(*names)
        try:
            yield
        finally:
            self.stop(*names)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """A request that must succeed; returns the decoded answer."""
        status, answer = request(self.options.port, method, path, body)
        assert status < 400, f"{method} {path}: {status} {answer}"
        return answer

    def submit(self, *batch: dict[str, Any]) -> list[str]:
        """Create tasks; returns their ids in the same order."""
        return [
            task["task_id"] for task in self.request("POST", "/tasks/batch-request/", list(batch))["tasks"]
        ]

    def task(self, task_id: str) -> dict[str, Any]:
        return dict(self.request("GET", f"/tasks/{task_id}/"))

    def tasks(self, query: str) -> list[dict[str, Any]]:
        """Every task that the query selects, over all pages."""
        found: list[dict[str, Any]] = []
        path: str | None = f"/tasks/?page_size=500&{query}"
        while path:
            page = self.request("GET", path)
            found += page["results"]
            path = page["next"] and page["next"].partition(f":{self.options.port}")[2]
        return found

    def flower(self, path: str) -> Any:
        login = {"Authorization": "Basic " + b64encode(FLOWER_LOGIN.encode()).decode()}
        status, answer = request(self.options.flower_port, "GET", path, headers=login)
        assert status == 200, f"Flower: {path}: {status} {answer}"
        return answer

    def _start(self, process: Process) -> None:
        with (self.folder / f"{process.name}.log").open("ab") as log:
            self.running[process.name] = spawn(process, self.environ, log)
