"""Locks on numbers among the threads and processes of one machine."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scheduler_service.config import PROJECT_DIR
from tasks_app import keylocks

HOLDER = """
import sys
from pathlib import Path
from tasks_app import keylocks
with keylocks.hold(Path(sys.argv[1]), int(sys.argv[2])) as is_held:
    print(is_held, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.lock"


def can_be_held(file: Path, number: int) -> bool:
    with keylocks.hold(file, number) as is_held:
        return is_held


def in_another_thread(file: Path, number: int) -> bool:
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(can_be_held(file, number)))
    thread.start()
    thread.join(timeout=30)
    return answers[0]


def another_process(file: Path, number: int) -> "subprocess.Popen[str]":
    """One that has tried to hold the number, and lives until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file), str(number)],
        cwd=PROJECT_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer_of(process: "subprocess.Popen[str]") -> str:
    answer, _ = process.communicate("", timeout=30)
    return answer.strip()


@pytest.mark.parametrize("number", [0, 7, 2**63 - 1])
def test_a_number_that_is_held_is_refused_to_other_threads_and_processes(file: Path, number: int) -> None:
    with keylocks.hold(file, number) as is_held:
        assert is_held
        assert not in_another_thread(file, number)
        assert answer_of(another_process(file, number)) == "False"
    assert in_another_thread(file, number)
    assert answer_of(another_process(file, number)) == "True"


def test_a_refusal_takes_nothing_from_the_holder(file: Path) -> None:
    with keylocks.hold(file, 7):
        assert not in_another_thread(file, 7)
        assert not in_another_thread(file, 7)
        assert answer_of(another_process(file, 7)) == "False"


def test_another_number_is_free(file: Path) -> None:
    with keylocks.hold(file, 7):
        assert in_another_thread(file, 8)
        assert answer_of(another_process(file, 6)) == "True"


def test_giving_one_number_back_keeps_the_others(file: Path) -> None:
    with keylocks.hold(file, 7):
        assert can_be_held(file, 8)
        assert answer_of(another_process(file, 7)) == "False"


def test_what_a_process_held_is_free_when_it_was_killed(file: Path) -> None:
    with another_process(file, 7) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert not can_be_held(file, 7)
        process.kill()
        process.wait(timeout=30)
        assert can_be_held(file, 7)


def test_an_error_while_it_is_held_frees_it(file: Path) -> None:
    with pytest.raises(RuntimeError), keylocks.hold(file, 7):
        raise RuntimeError
    assert in_another_thread(file, 7)
