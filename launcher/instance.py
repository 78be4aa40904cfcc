"""One instance per data folder, and ports that are free before anything starts."""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from launcher.errors import LauncherError
from launcher.layout import DataFolder
from launcher.processes import LOOPBACK, Options


def addresses(options: Options) -> dict[str, str]:
    """What to open in a browser, by name."""
    base = f"http://{LOOPBACK}:{options.port}"
    pages = {"API": f"{base}/tasks/", "Swagger": f"{base}/swagger/", "Admin": f"{base}/admin/"}
    return {**pages, "Flower": f"http://{LOOPBACK}:{options.flower_port}/"} if options.flower else pages


@contextmanager
def single_instance(folder: DataFolder, options: Options) -> Iterator[None]:
    """Hold the data folder's lock; the kernel frees it even after `kill -9`.

    Raises LauncherError that names the process and the addresses of the one that holds it.
    """
    descriptor = _locked(folder.lock)
    if descriptor is None:
        raise LauncherError(_already_running(folder.lock))
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "addresses": addresses(options)}).encode(), 0)
        yield
    finally:
        # Removed while still held, so that nobody can hold a file that no longer has a name.
        folder.lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        # The holder removed the file between our open and our lock: take the new one.
        os.close(descriptor)


def _already_running(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        where = ", ".join(f"{name} {url}" for name, url in holder["addresses"].items())
        who = f"process {holder['pid']} ({where}). Stop it with Ctrl-C there, or: kill {holder['pid']}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        who = "another process that is just starting"
    other = "For a second one, set another SCHEDULER_DATA_DIR and other ports."
    return f"Already running on {path.parent}: {who}\n{other}"


def check_ports(options: Options) -> None:
    """Raise LauncherError if the web's or Flower's port is in use, naming the option that picks another."""
    wanted = {"--port": options.port}
    if options.flower:
        wanted["--flower-port"] = options.flower_port
    if len(set(wanted.values())) < len(wanted):
        raise LauncherError(f"--port and --flower-port are both {options.port}; give them different ports.")
    for option, port in wanted.items():
        reason = why_port_is_unusable(port)
        if reason:
            raise LauncherError(f"Port {port} on {LOOPBACK} {reason}; choose another with {option}.")


def why_port_is_unusable(port: int) -> str | None:
    """None if a server can listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            # Only listen() fails on systems that let two sockets bind with SO_REUSEADDR.
            probe.listen(1)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            return "is taken by another program" if taken else f"cannot be used ({error.strerror})"
    return None
