"""The service's processes: the one list that `run.py` starts, the tests start, and compose is held to."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.layout import VENV_PYTHON, DataFolder

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Process:
    """One long-running child.

    Attributes:
        name: the prefix of its log lines.
        command: argv, without a shell.
        grace: seconds between the request to stop and SIGKILL.
        orphan_signal: what the kernel sends it if `run.py` itself is killed (Linux only).
        hidden: log lines that contain one of these are not shown.
    """

    name: str
    command: tuple[str, ...]
    grace: float = 5.0
    orphan_signal: signal.Signals = signal.SIGTERM
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What the command line decides."""

    port: int = 8000
    flower_port: int = 5555
    workers: int = 2
    flower: bool = True


def _celery(*arguments: str) -> tuple[str, ...]:
    return (str(VENV_PYTHON), "-m", "celery", "-A", "scheduler_service", *arguments)


def web(port: int) -> Process:
    """gunicorn serving the API, the admin site and their static files."""
    arguments = (
        "--worker-class",
        "gthread",
        "--threads",
        "4",
        "--workers",
        "2",
        "--bind",
        f"{LOOPBACK}:{port}",
    )
    # gunicorn's control socket would lie in the home folder, shared by every instance of this user.
    limits = ("--graceful-timeout", "3", "--no-control-socket")
    application = "scheduler_service.wsgi:application"
    return Process("web", (str(VENV_PYTHON), "-m", "gunicorn", *arguments, *limits, application))


def worker(concurrency: int) -> Process:
    """The Celery worker that drains the task queues."""
    command = _celery("worker", "-Q", "tasks", "-c", str(concurrency), "-n", "worker@%h")
    # SIGQUIT: a soft shutdown. An orphan's warm one could wait for a long task beside a new start.
    return Process("worker", command, grace=6.0, orphan_signal=signal.SIGQUIT)


def scheduler_worker() -> Process:
    """The Celery worker that runs ticks and sweeps, so that they never wait behind tasks."""
    command = _celery("worker", "-Q", "scheduler", "-c", "1", "-n", "scheduler@%h")
    return Process("scheduler", command, orphan_signal=signal.SIGQUIT)


def beat() -> Process:
    """The clock: it sends the periodic Celery tasks to the scheduler worker."""
    return Process("beat", _celery("beat"))


def flower(port: int) -> Process:
    """The monitor; only on loopback, since it shows arguments and results."""
    return Process("flower", _celery("flower", f"--address={LOOPBACK}", f"--port={port}"))


def service_processes(options: Options) -> list[Process]:
    """Every process of the service, in the order of starting. The embedded broker is not among them."""
    always = [web(options.port), worker(options.workers), scheduler_worker(), beat()]
    return [*always, flower(options.flower_port)] if options.flower else always


def embedded_broker(server: Path, folder: DataFolder) -> Process:
    """A Valkey server on a unix socket. It keeps nothing on disk: lost rings are rung again."""
    listen = ("--port", "0", "--unixsocket", str(folder.socket), "--unixsocketperm", "700")
    storage = ("--save", "", "--appendonly", "no", "--dir", str(folder.path), "--databases", "1")
    quiet = ("--loglevel", "warning", "--set-proc-title", "no")
    return Process(
        "broker", (str(server), *listen, *storage, *quiet), grace=3.0, hidden=("Memory overcommit",)
    )


def child_environment(environ: Mapping[str, str], folder: DataFolder) -> dict[str, str]:
    """The environment of every child: the caller's, with the data folder (and a moved socket) spelled out."""
    result = {**environ, "SCHEDULER_DATA_DIR": str(folder.path), "PYTHONUNBUFFERED": "1"}
    if not environ.get("CELERY_BROKER_URL") and folder.socket.parent != folder.path:
        result["CELERY_BROKER_URL"] = f"redis+socket://{folder.socket}"
    return result


def default_concurrency() -> int:
    """Worker processes if nobody says otherwise: one per core, but no crowd around SQLite's single writer."""
    return max(2, min(4, os.cpu_count() or 2))
