"""The rate of a key over several processes, with a real server, and while that server does not answer."""

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from access_app import limits
from access_app.limits import Shared
from launcher import broker
from launcher.layout import PROJECT_DIR, DataFolder
from launcher.processes import embedded_broker
from tests.acceptance.service import own_environment, wait_for

CALLS = """
import sys
from access_app.limits import Shared
shared = Shared(sys.argv[1])
sys.stdin.readline()
print(sum(shared.wait("key_1", 0.001) == 0 for _ in range(50)))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    folder = DataFolder(tmp_path)
    folder.create()
    folder.create_socket_folder()
    command = embedded_broker(broker.server_path(), folder).command
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: broker.answers(folder.socket), "the server")
            yield f"redis+socket://{folder.socket}", process
        finally:
            process.kill()
            folder.remove_socket()


def test_several_processes_share_one_rate(
    server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CALLS, server[0]]
    environ = {
        **own_environment(tmp_path),
        "DJANGO_SETTINGS_MODULE": "scheduler_service.settings.development",
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    callers = [subprocess.Popen(command, cwd=PROJECT_DIR, env=environ, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    passed = [int(caller.communicate("\n")[0]) for caller in callers]
    assert sum(passed) == 1


@pytest.mark.parametrize(("rate", "burst"), [(0.001, 1), (1, 1), (200, 200), (1e6, 500)])
def test_a_seconds_worth_may_come_at_once(
    rate: float, burst: int, server: tuple[str, subprocess.Popen[bytes]]
) -> None:
    shared = Shared(server[0])
    waits = [shared.wait("key_1", rate) for _ in range(500)]
    assert waits[:burst] == [0] * burst
    assert all(0 <= wait <= 1 / rate + 1e-6 for wait in waits)
    if rate < 1:
        assert waits.count(0) == burst


def test_its_numbers_go_by_themselves(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    Shared(server[0]).wait("key_1", 0.5)
    with limits._client(server[0]) as client:
        assert client.keys() == [b"scheduler-service:rate:key_1"]
        assert 0 < client.pttl("scheduler-service:rate:key_1") <= 2001


@pytest.mark.parametrize("sent", [signal.SIGSTOP, signal.SIGKILL])
def test_a_server_that_does_not_answer_is_left_alone_for_a_while_and_stops_nobody(
    sent: signal.Signals,
    server: tuple[str, subprocess.Popen[bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    url, process = server
    now = 1000.0
    shared = Shared(url, lambda: now)
    assert shared.wait("key_1", 1) == 0
    asked = []
    real = shared._script
    shared._script = lambda **given: asked.append(given) or real(**given)  # type: ignore[assignment,func-returns-value]
    process.send_signal(sent)
    with caplog.at_level(logging.WARNING, limits.__name__):
        # By its own numbers it still holds a rate, from where it begins.
        assert [shared.wait("key_1", 1) > 0 for _ in range(3)] == [False, True, True]
    assert len(asked) == len(caplog.records) == 1
    process.send_signal(signal.SIGCONT)
    now += limits.PAUSE_SECONDS
    shared.wait("key_1", 1)
    assert len(asked) == 2


def test_a_wrong_address_stops_nobody() -> None:
    assert Shared("redis://127.0.0.1:1/0").wait("key_1", 1) == 0
