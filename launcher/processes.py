"""The service's processes: the one list that `run.py` starts, the tests start, and compose is held to."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.layout import VENV_PYTHON, DataFolder

LOOPBACK = "127.0.0.1"
NO_BROKER = "none"
CLEAN_UP_SECONDS = 8.0
"""What a worker may take beyond its shutdown grace: handlers clean up, results are written."""


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
    shutdown_grace: float = 2.0
    broker: bool = True


def _celery(*arguments: str) -> tuple[str, ...]:
    return (str(VENV_PYTHON), "-m", "celery", "--quiet", "-A", "scheduler_service", *arguments)


def web(port: int) -> Process:
    """gunicorn serving the API, the admin site and their static files."""
    worker_class = "scheduler_service.webserver.worker.Worker"
    size = ("--worker-class", worker_class, "--threads", "4", "--workers", "2")
    # gunicorn would believe X-Forwarded-Proto of any client on loopback; TRUST_PROXY_HEADERS decides that.
    clients = ("--bind", f"{LOOPBACK}:{port}", "--keep-alive", "75", "--forwarded-allow-ips", "")
    limits = ("--worker-connections", "500", "--limit-request-line", "8190")
    # gunicorn's control socket would lie in the home folder, shared by every instance of this user.
    stop = ("--graceful-timeout", "3", "--no-control-socket")
    logs = ("--logger-class", "scheduler_service.gunicorn_logs.Logger")
    application = "scheduler_service.wsgi:application"
    command = (str(VENV_PYTHON), "-m", "gunicorn", *size, *clients, *limits, *stop, *logs, application)
    return Process("web", command)


def worker(concurrency: int, shutdown_grace: float) -> Process:
    """The Celery worker that drains the task queues."""
    command = _celery("worker", "-Q", "tasks", "-c", str(concurrency), "-n", "worker@%h")
    # SIGQUIT: a cold shutdown. An orphan's warm one could wait for a long task beside a new start.
    return Process("worker", command, grace=shutdown_grace + CLEAN_UP_SECONDS, orphan_signal=signal.SIGQUIT)


def scheduler_worker() -> Process:
    """The Celery worker that runs ticks and sweeps, so that they never wait behind tasks.

    Two processes: one of them keeps the time, which takes nearly all of every second.
    """
    command = _celery("worker", "-Q", "scheduler", "-c", "2", "-n", "scheduler@%h")
    return Process("scheduler", command, orphan_signal=signal.SIGQUIT)


def beat() -> Process:
    """The clock: it sends the periodic Celery tasks to the scheduler worker."""
    return Process("beat", _celery("beat"))


def polling_worker(concurrency: int, shutdown_grace: float) -> Process:
    """Worker processes that look at the table themselves, where there is no broker."""
    grace = shutdown_grace + CLEAN_UP_SECONDS
    options = ("--processes", str(concurrency), "--grace", str(grace - 1.0))
    return Process("worker", (str(VENV_PYTHON), "manage.py", "poll", *options), grace=grace)


def tender() -> Process:
    """What beat and the scheduler worker do, where there is no broker."""
    return Process("tender", (str(VENV_PYTHON), "manage.py", "poll", "--tender"))


def flower(port: int) -> Process:
    """The monitor; only on loopback, since it shows arguments and results."""
    return Process("flower", _celery("flower", f"--address={LOOPBACK}", f"--port={port}"))


def service_processes(options: Options) -> list[Process]:
    """Every process of the service, in the order of starting. The embedded broker is not among them."""
    if not options.broker:
        return [web(options.port), polling_worker(options.workers, options.shutdown_grace), tender()]
    always = [web(options.port), worker(options.workers, options.shutdown_grace), scheduler_worker(), beat()]
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
    # Whoever runs it by hand wants Ctrl-C to be quick.
    defaults = {"SHUTDOWN_GRACE_SECONDS": "2", "FLOWER_BASIC_AUTH": f"admin:{folder.flower_password()}"}
    result = {**defaults, **environ, "SCHEDULER_DATA_DIR": str(folder.path), "PYTHONUNBUFFERED": "1"}
    if not environ.get("CELERY_BROKER_URL") and folder.socket.parent != folder.path:
        result["CELERY_BROKER_URL"] = f"redis+socket://{folder.socket}"
    return result


def default_concurrency() -> int:
    """Worker processes if nobody says otherwise: one per core, but no crowd around SQLite's single writer."""
    return max(2, min(4, os.cpu_count() or 2))
