"""Clears up behind a harness that was killed: waits for the end of its standard input, then ends what is recorded.

Runs as a process of its own: `python -m tests.chaos.janitor <folder>`.
"""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from launcher import pids
from launcher.layout import PROJECT_DIR, VENV_PYTHON
from tests.chaos.postgres import unmount

FAREWELL = b"tidy\n"


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """Start one that looks after this folder; say FAREWELL to it once there is nothing left to clear up."""
    command = [str(VENV_PYTHON), "-m", "tests.chaos.janitor", str(folder)]
    return subprocess.Popen(command, cwd=PROJECT_DIR, stdin=subprocess.PIPE, start_new_session=True)


def main(folder: Path) -> None:
    """Wait, and clear up unless the harness did."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.stdin.buffer.read() == FAREWELL:
        return
    for record in ("children.json", "servers.json"):
        pids.stop_recorded(folder / record)
    unmount(folder / "pg")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
