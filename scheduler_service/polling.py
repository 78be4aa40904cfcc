"""Running without a broker: workers that look at the table themselves, and a tender in the place of beat.

The table is the truth, so that this loses nothing but promptness: a task is found up to one pause late.
"""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings

from schedules_app import tasks as schedule_tasks
from tasks_app import shutdown, store
from tasks_app import tasks as task_tasks
from tasks_app.drain import close_connection, worker

logger = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE = 1.0
"""Seconds before the next look when the database was away."""
PAUSE_BETWEEN_KEEPERS = 0.01
PAUSE_BEFORE_RESTART = 1.0
"""Seconds before a child that died is started again."""

Wait = Callable[[float], bool]
"""Waits that many seconds, or less if the process is to stop; says whether it is."""


def work(queues: Sequence[str], pause: float, wait: Wait) -> None:
    """Drain queues (none named: all) until told to stop; pause when there was nothing to do."""
    hostname = f"poll@{socket.gethostname()}"
    while not shutdown.is_stopping():
        if not _safely(lambda: _drain_all(queues, hostname)) and wait(pause):
            return


def _drain_all(queues: Sequence[str], hostname: str) -> bool:
    waiting = [name for name in store.queues_with_work() if not queues or name in queues]
    ended = [worker().drain(name, hostname, settings.CONFIG.drain_seconds) for name in waiting]
    return any(ended)


@dataclass
class Chore:
    """Something to be done again and again; times are monotonic seconds."""

    act: Callable[[], object]
    every: float
    due: float = 0.0


def chores() -> list[Chore]:
    """What beat sends otherwise, but for keeping the time: that has a thread of its own."""
    config = settings.CONFIG
    return [
        Chore(schedule_tasks.tick, 1.0),
        Chore(task_tasks.sweep, 1.0),
        Chore(task_tasks.rescue, config.rescue_interval_seconds),
        Chore(task_tasks.prune, config.prune_interval_seconds),
        Chore(schedule_tasks.settle, 2.0),
        Chore(schedule_tasks.prune_ledger, config.prune_interval_seconds),
    ]


def tend(chores: Sequence[Chore], wait: Wait, clock: Callable[[], float] = time.monotonic) -> None:
    """Do each chore when it is due, until told to stop. One that fails is tried again at its next time, and one that
    says (True) that it has left something as soon as the others had their turn.
    """
    while True:
        for chore in chores:
            if clock() >= chore.due:
                has_left = _safely(chore.act) is True
                chore.due = clock() + (0.0 if has_left else chore.every)
        if wait(max(0.0, min(chore.due for chore in chores) - clock())):
            return


def keep_time(wait: Wait, keep: Callable[[], object] = schedule_tasks.keep_time) -> None:
    """Do what is due at its moment, until told to stop."""
    while True:
        _safely(keep)
        # It looked for a second, or had nothing to look for; the pause is for the latter.
        if wait(PAUSE_BETWEEN_KEEPERS):
            close_connection()
            return


def _safely(act: Callable[[], object]) -> object:
    try:
        return act()
    except Exception:  # the database is away, say: this process must be there when it is back
        logger.exception("Could not look at the table; trying again")
        close_connection()
        time.sleep(PAUSE_AFTER_FAILURE)
        return None


class Children:
    """Worker processes, each replaced when it dies: a handler that heeds no time limit ends with its process."""

    def __init__(self, command: Sequence[str], number: int) -> None:
        self.command = list(command)
        self.processes = [self._start() for _ in range(number)]

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command, env={**os.environ, "SCHEDULER_PARENT": str(os.getpid())})  # noqa: S603

    def replace_dead(self) -> None:
        """Start a process anew for each that ended."""
        for index, process in enumerate(self.processes):
            if process.poll() is not None:
                logger.warning(
                    "Worker process %d ended with %s; starting another", process.pid, process.returncode
                )
                self.processes[index] = self._start()

    def stop(self, grace: float) -> None:
        """Ask all to stop, and end those that have not after `grace` seconds."""
        for process in self.processes:
            process.terminate()
        deadline = time.monotonic() + grace
        for process in self.processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def supervise(number: int, arguments: Sequence[str], stopping: threading.Event, grace: float) -> None:
    """Keep `number` worker processes running until told to stop."""
    children = Children([sys.executable, sys.argv[0], "poll", "--child", *arguments], number)
    try:
        while not stopping.wait(PAUSE_BEFORE_RESTART):
            children.replace_dead()
    finally:
        children.stop(grace)
