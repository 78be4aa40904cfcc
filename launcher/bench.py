"""`run.py bench`: the service beside its alternatives, measured. The harness runs inside `.venv`."""

import os
import sys
from collections.abc import Sequence

from launcher import environment
from launcher.layout import PROJECT_DIR, VENV_PYTHON


def main(arguments: Sequence[str]) -> int:
    """Become the harness: a signal to run.py then reaches who has to clear up. Does not return."""
    environment.prepare("embedded")
    sys.stdout.flush()
    os.chdir(PROJECT_DIR)
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), "-m", "bench", *arguments])  # noqa: S606 - no shell wanted
