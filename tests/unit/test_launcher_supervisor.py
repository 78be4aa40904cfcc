"""Children are relayed, restarted with a growing pause, and stopped without a trace."""

import io
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher import pids
from launcher.processes import Process
from launcher.supervisor import LONGEST_PAUSE_SECONDS, Supervisor, describe_exit, next_pause

FOREVER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + FOREVER
PARENT = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); print(p.pid); p.wait()"


def python(name: str, code: str, grace: float = 5.0) -> Process:
    return Process(name, (sys.executable, "-u", "-c", code), grace=grace, hidden=("secret of the trade",))


@pytest.fixture
def handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def supervisor(tmp_path: Path, handlers: None) -> Iterator[Supervisor]:
    made = Supervisor({}, tmp_path / "children.json", io.BytesIO())
    yield made
    if made.children:
        made.stop()


def log(supervisor: Supervisor) -> str:
    assert isinstance(supervisor.output, io.BytesIO)
    return supervisor.output.getvalue().decode()


def wait_for(supervisor: Supervisor, text: str) -> None:
    assert supervisor.run_until(lambda: text in log(supervisor), timeout=20, step=0.05), log(supervisor)


def is_gone(pid: int) -> Callable[[], bool]:
    return lambda: pids.identity(pid) is None


def test_each_line_of_a_child_has_its_name_in_front(supervisor: Supervisor) -> None:
    supervisor.start(
        python(
            "talker", "print('one'); print('secret of the trade'); print('two'); import time; time.sleep(60)"
        )
    )
    wait_for(supervisor, "two")
    assert log(supervisor) == "talker    | one\ntalker    | two\n"


def test_a_child_that_dies_is_reported_and_started_again(supervisor: Supervisor) -> None:
    child = supervisor.start(python("worker", FOREVER))
    wait_for(supervisor, "up")
    first = child.popen.pid
    child.popen.kill()
    assert supervisor.run_until(lambda: log(supervisor).count("| up") == 2, timeout=20, step=0.05)
    assert "worker was ended by SIGKILL; it is started again in 1 s" in log(supervisor)
    assert child.popen.pid != first


def test_stop_ends_every_child_and_removes_the_record(supervisor: Supervisor) -> None:
    children = [supervisor.start(python(name, FOREVER)) for name in ("web", "broker")]
    assert supervisor.run_until(lambda: log(supervisor).count("| up") == 2, timeout=20, step=0.05)
    assert supervisor.record.exists()
    supervisor.stop()
    assert [child.popen.returncode for child in children] == [-signal.SIGTERM, -signal.SIGTERM]
    assert not supervisor.record.exists()


def test_a_child_that_ignores_the_request_is_killed_after_its_grace(supervisor: Supervisor) -> None:
    child = supervisor.start(python("stubborn", STUBBORN, grace=0.3))
    wait_for(supervisor, "up")
    begun = time.monotonic()
    supervisor.stop()
    assert child.popen.returncode == -signal.SIGKILL
    assert time.monotonic() - begun < 5


def test_a_second_request_to_stop_does_not_wait_for_the_grace(supervisor: Supervisor) -> None:
    child = supervisor.start(python("stubborn", STUBBORN, grace=600))
    wait_for(supervisor, "up")
    supervisor.stop_requests = 1
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    supervisor.stop()
    assert child.popen.returncode == -signal.SIGKILL


def test_the_children_of_a_killed_child_do_not_outlive_it(supervisor: Supervisor) -> None:
    child = supervisor.start(python("pool", PARENT, grace=0.1))
    wait_for(supervisor, "up")
    grandchild = int(log(supervisor).split("| ")[1].split()[0])
    child.popen.kill()
    assert supervisor.run_until(is_gone(grandchild), timeout=20, step=0.05)


def test_a_signal_ends_the_loop(supervisor: Supervisor) -> None:
    supervisor.start(python("web", FOREVER))
    wait_for(supervisor, "up")
    signal.raise_signal(signal.SIGTERM)
    assert supervisor.run_until(lambda: False) is False


def test_a_reader_that_went_away_stops_the_service(tmp_path: Path, handlers: None) -> None:
    class Closed(io.BytesIO):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    supervisor = Supervisor({}, tmp_path / "children.json", Closed())
    supervisor.start(python("web", FOREVER))
    assert supervisor.run_until(lambda: False, timeout=20) is False
    supervisor.stop()
    assert supervisor.stop_requests == 1


@pytest.mark.parametrize(
    ("pause", "lived", "expected"),
    [
        (0, 0, 1),
        (1, 0, 2),
        (2, 29, 4),
        (16, 0, LONGEST_PAUSE_SECONDS),
        (30, 0, LONGEST_PAUSE_SECONDS),
        (16, 30, 1),
    ],
)
def test_the_pause_doubles_up_to_a_limit_and_forgets_after_a_steady_life(
    pause: float, lived: float, expected: float
) -> None:
    assert next_pause(pause, lived) == expected


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exited with code 3"), (-9, "was ended by SIGKILL"), (-60, "was ended by signal 60")],
)
def test_an_end_is_described_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
