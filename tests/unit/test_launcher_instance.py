"""One instance per data folder; taken ports; where the socket lies."""

import json
import os
import socket
from pathlib import Path

import pytest

from launcher import instance
from launcher.errors import LauncherError
from launcher.layout import PROJECT_DIR, SOCKET_PATH_LIMIT, DataFolder
from launcher.processes import LOOPBACK, Options, child_environment


@pytest.fixture
def listener() -> socket.socket:
    server = socket.socket()
    server.bind((LOOPBACK, 0))
    server.listen(1)
    yield server
    server.close()


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def test_a_second_instance_is_told_the_process_and_the_addresses_of_the_first(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with (
        instance.single_instance(folder, Options(port=8123)),
        pytest.raises(LauncherError, match=rf"process {os.getpid()} .*http://127.0.0.1:8123/"),
        instance.single_instance(folder, Options()),
    ):
        pytest.fail("two instances hold one folder")


def test_the_lock_file_is_gone_after_the_instance(tmp_path: Path) -> None:
    with instance.single_instance(DataFolder(tmp_path), Options()):
        assert DataFolder(tmp_path).lock.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_a_killed_instance_left_does_not_block(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.lock.write_text(json.dumps({"pid": 1, "addresses": {}}))
    with instance.single_instance(folder, Options()):
        assert json.loads(folder.lock.read_text())["pid"] == os.getpid()


def test_a_taken_port_is_named_with_the_option_that_picks_another(listener: socket.socket) -> None:
    taken = port_of(listener)
    with pytest.raises(LauncherError, match=rf"Port {taken} on 127.0.0.1 is taken.*--port"):
        instance.check_ports(Options(port=taken, flower=False))


def test_flowers_port_is_checked_only_if_flower_runs(listener: socket.socket) -> None:
    taken = port_of(listener)
    with pytest.raises(LauncherError, match="--flower-port"):
        instance.check_ports(Options(port=free_port(), flower_port=taken))
    instance.check_ports(Options(port=free_port(), flower_port=taken, flower=False))


def test_one_port_for_both_is_refused() -> None:
    with pytest.raises(LauncherError, match="both 9000"):
        instance.check_ports(Options(port=9000, flower_port=9000))


def test_a_relative_data_folder_counts_from_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert DataFolder.from_environment({"SCHEDULER_DATA_DIR": "some/data"}).path == Path("/some/data")
    assert DataFolder.from_environment({}).path == PROJECT_DIR / ".data"


def test_a_socket_whose_path_would_be_too_long_moves_and_the_children_are_told(tmp_path: Path) -> None:
    deep = DataFolder(tmp_path / ("x" * SOCKET_PATH_LIMIT))
    assert len(os.fsencode(deep.socket)) <= SOCKET_PATH_LIMIT
    assert child_environment({}, deep)["CELERY_BROKER_URL"] == f"redis+socket://{deep.socket}"


def test_two_data_folders_never_share_a_moved_socket(tmp_path: Path) -> None:
    first, second = (DataFolder(tmp_path / (letter * SOCKET_PATH_LIMIT)) for letter in "xy")
    assert first.socket != second.socket


def test_a_moved_socket_is_not_put_into_somebody_elses_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    deep = DataFolder(Path("/" + "x" * SOCKET_PATH_LIMIT))
    deep.socket.parent.mkdir()
    deep.socket.parent.chmod(0o755)
    with pytest.raises(LauncherError, match="not a private folder"):
        deep.create_socket_folder()


def test_the_callers_own_broker_reaches_the_children_unchanged(tmp_path: Path) -> None:
    deep = DataFolder(tmp_path / ("x" * SOCKET_PATH_LIMIT))
    environ = {"CELERY_BROKER_URL": "redis://elsewhere/0"}
    assert child_environment(environ, deep)["CELERY_BROKER_URL"] == "redis://elsewhere/0"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return port_of(probe)
