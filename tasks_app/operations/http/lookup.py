"""From a host's name to its addresses, once for each request, so that what was checked is what is connected to."""

import signal
import socket
import threading
from ipaddress import ip_address

from scheduler_service.outbound import Address
from tasks_app.operations.http.patience import Patience
from tasks_app.operations.http.urls import Target

MAX_LOOKUPS = 8
"""Lookups of one process that may hang at once: each holds a thread until the resolver gives up."""

_slots = threading.BoundedSemaphore(MAX_LOOKUPS)


def addresses(target: Target, patience: Patience) -> list[Address]:
    """All addresses of the target's host, in the resolver's order. Raises OSError."""
    if target.address is not None:
        return [target.address]
    return _Lookup(target).result(patience)


class _Lookup:
    # The resolver's call heeds neither a signal nor a time limit, so another thread makes it.

    def __init__(self, target: Target) -> None:
        self._target = target
        self._slots = _slots
        self._ended = threading.Event()
        self._found: list[Address] = []
        self._error: Exception | None = None

    def result(self, patience: Patience) -> list[Address]:
        while not self._slots.acquire(timeout=patience.moment()):
            pass
        try:
            _start(threading.Thread(target=self._run, name="lookup", daemon=True))
        except RuntimeError:  # the process may have no more threads
            self._slots.release()
            raise
        while not self._ended.wait(patience.moment()):
            pass
        if self._error is not None:
            raise self._error
        return self._found

    def _run(self) -> None:
        try:
            self._found = _resolve(self._target)
        except Exception as error:
            self._error = error
        finally:
            self._slots.release()
            self._ended.set()


def _start(thread: threading.Thread) -> None:
    # The thread inherits the mask. A signal that it let in would strike the main thread wherever that one is.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _resolve(target: Target) -> list[Address]:
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    listed = (ip_address(entry[4][0]) for entry in found if entry[0] in (socket.AF_INET, socket.AF_INET6))
    return list(dict.fromkeys(listed))
