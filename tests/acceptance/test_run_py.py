"""`python3 run.py` itself: one command starts everything, one signal ends it without a trace."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from launcher import pids
from launcher.layout import PROJECT_DIR, SOCKET_PATH_LIMIT, DataFolder
from tests.acceptance.service import FAST, free_port, own_environment, request, wait_for

pytestmark = pytest.mark.timeout(300)

STOP_SECONDS = 20


@dataclass
class Run:
    """One `run.py` and what it has said so far."""

    folder: Path
    port: int = field(default_factory=free_port)
    flower_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        ports = ["--port", str(self.port), "--flower-port", str(self.flower_port)]
        command = [sys.executable, "run.py", *ports, *options]
        environ = own_environment(self.folder, **FAST)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=PROJECT_DIR, env=environ, stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        return self.folder.parent / "run.log"

    def said(self) -> str:
        return self.log.read_text()

    def wait_until_it_says(self, text: str) -> None:
        wait_for(lambda: text in self.said(), f"run.py saying {text!r}")

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=STOP_SECONDS)

    def children(self) -> dict[str, int]:
        entries = json.loads(DataFolder(self.folder).children.read_text())
        return {name: entry["pid"] for name, entry in entries.items()}

    def create_task(self, **task: Any) -> str:
        status, answer = request(self.port, "POST", "/tasks/", task)
        assert status == 202, answer
        return str(answer["task_id"])

    def status_of(self, task_id: str) -> str:
        return str(request(self.port, "GET", f"/tasks/{task_id}/")[1]["status"])


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path / "data")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            made.process.wait(timeout=STOP_SECONDS)
        made.process.kill()
        made.process.wait()
    pids.stop_recorded(DataFolder(made.folder).children)


def other_start(run: Run, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", *options]
    environ = own_environment(folder, **FAST)
    return subprocess.run(command, cwd=PROJECT_DIR, env=environ, capture_output=True, text=True, timeout=60)


def group_is_gone(leader: int) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return True
        return False

    return ask


def left_behind(folder: Path) -> set[str]:
    stays = ("scheduler.sqlite3", "idempotency-keys.lock", "flower-password")
    return {path.name for path in folder.iterdir() if not path.name.startswith(stays)}


def test_a_start_beside_a_running_one_and_a_taken_port_are_clear_errors(run: Run, tmp_path: Path) -> None:
    run.start()
    run.wait_until_it_says("Try it:")
    again = other_start(run, run.folder)
    assert again.returncode == 1
    assert (
        f"Already running on {run.folder}: process {run.process.pid if run.process else None} "
        in again.stderr
    )
    assert f"http://127.0.0.1:{run.port}/" in again.stderr
    elsewhere = other_start(run, tmp_path / "other", "--port", str(run.port), "--no-flower")
    assert elsewhere.returncode == 1
    assert (
        f"Port {run.port} on 127.0.0.1 is taken by another program; choose another with --port"
        in elsewhere.stderr
    )
    assert left_behind(tmp_path / "other") == set()


def test_one_signal_ends_everything_within_seconds_and_leaves_nothing(run: Run) -> None:
    run.start()
    run.wait_until_it_says("Try it:")
    busy = run.create_task(operation="debug.sleep", arguments={"seconds": 600})
    wait_for(lambda: run.status_of(busy) == "STARTED", "a long task")
    leaders = run.children()
    assert set(leaders) == {"broker", "web", "worker", "scheduler", "beat", "flower"}
    assert run.end(signal.SIGTERM) == 0
    assert [name for name, pid in leaders.items() if not group_is_gone(pid)()] == []
    assert left_behind(run.folder) == set()


def test_a_second_start_finds_its_data_and_makes_no_second_admin(run: Run) -> None:
    run.start("--no-flower")
    run.wait_until_it_says("Try it:")
    assert len(re.findall(r"password: \S+", run.said())) == 1
    task_id = run.create_task(operation="4+7")
    assert run.end(signal.SIGINT) == 0
    run.start("--no-flower")
    run.wait_until_it_says("Try it:")
    assert "password" not in run.said()
    wait_for(lambda: run.status_of(task_id) == "SUCCESS", "the task of the first start")


def test_a_start_after_a_kill_works_and_nothing_of_the_killed_one_is_left(run: Run) -> None:
    run.start("--no-flower")
    run.wait_until_it_says("Try it:")
    orphans = run.children()
    run.end(signal.SIGKILL)
    run.start("--no-flower")
    run.wait_until_it_says("Try it:")
    task_id = run.create_task(operation="4+7")
    wait_for(lambda: run.status_of(task_id) == "SUCCESS", "a task after the kill")
    for pid in orphans.values():
        wait_for(group_is_gone(pid), "the end of an orphan")


def test_a_child_that_dies_is_reported_and_works_again(run: Run) -> None:
    run.start("--no-flower")
    run.wait_until_it_says("Try it:")
    for name in ("broker", "worker"):
        os.kill(run.children()[name], signal.SIGKILL)
        run.wait_until_it_says(f"{name} was ended by SIGKILL; it is started again in 1 s")
    task_id = run.create_task(operation="4+7")
    wait_for(lambda: run.status_of(task_id) == "SUCCESS", "a task after the deaths")


def test_the_demo_shows_54_successes_and_stops(run: Run) -> None:
    run.start("--demo", "--no-flower")
    assert run.process is not None
    assert run.process.wait(timeout=200) == 0, run.said()
    assert "54 of 54 tasks: SUCCESS" in run.said()
    assert left_behind(run.folder) == {"demo.log"}


def test_a_data_folder_with_a_long_path_works(run: Run) -> None:
    run.folder = run.folder.parent / ("long " * (SOCKET_PATH_LIMIT // 5)) / "data"
    run.folder.parent.mkdir()
    socket = DataFolder(run.folder).socket
    run.start("--no-flower")
    run.wait_until_it_says("Try it:")
    assert socket.is_socket()
    task_id = run.create_task(operation="4+7")
    wait_for(lambda: run.status_of(task_id) == "SUCCESS", "a task")
    run.end(signal.SIGTERM)
    assert not socket.parent.exists()
