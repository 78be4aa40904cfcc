"""What an instance that was killed left behind is stopped, and nothing else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import pids


@pytest.fixture
def orphan() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    process = subprocess.Popen(command, start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(autouse=True)
def reap_at_once() -> Iterator[None]:
    # A real orphan is reaped by init; here this process is the parent.
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


def test_a_recorded_child_that_still_runs_is_stopped(orphan: subprocess.Popen[bytes], tmp_path: Path) -> None:
    record = tmp_path / "children.json"
    pids.record(record, {"broker": orphan.pid})
    assert pids.stop_recorded(record) == ["broker"]
    assert pids.identity(orphan.pid) is None
    assert not record.exists()


def test_a_process_that_only_has_the_recorded_number_is_left_alone(
    orphan: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    record = tmp_path / "children.json"
    record.write_text(json.dumps({"broker": {"pid": orphan.pid, "identity": "another start"}}))
    assert pids.stop_recorded(record) == []
    assert pids.identity(orphan.pid) is not None


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"a": {"pid": 1}}', '{"a": {"pid": "x", "identity": "1"}}']
)
def test_a_damaged_record_is_no_obstacle(text: str, tmp_path: Path) -> None:
    record = tmp_path / "children.json"
    record.write_text(text)
    assert pids.stop_recorded(record) == []
    assert not record.exists()


def test_a_missing_record_is_no_obstacle(tmp_path: Path) -> None:
    assert pids.stop_recorded(tmp_path / "children.json") == []


def test_a_process_has_one_identity_for_its_life() -> None:
    assert pids.identity(os.getpid()) == pids.identity(os.getpid()) is not None
