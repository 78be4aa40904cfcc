"""Lines that a handler logs say of which task, attempt and operation they are."""

import threading
from typing import Any

from scheduler_service import logs
from tasks_app.runner import Runner

_runner: Runner | None = None


def follow(runner: Runner) -> None:
    """Look at this runner, this process's one, whenever a line is written."""
    global _runner
    _runner = runner
    logs.provide(_fields)


def _fields() -> dict[str, Any]:
    # Handlers run in the main thread; the watchdog's and other threads' lines are not theirs.
    running = _runner.handling if _runner is not None else None
    if running is None or threading.current_thread() is not threading.main_thread():
        return {}
    return running.log_fields()
