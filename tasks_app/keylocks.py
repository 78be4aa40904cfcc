"""Locks on numbers among the threads and processes of one machine: what PostgreSQL's advisory locks are, for SQLite.

A number is a byte of a file that stays empty, locked in the kernel, which lets go when the process dies. Such locks
are a process's, not a thread's: among its threads a set decides.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_mutex = threading.Lock()
_held: set[tuple[Path, int]] = set()


@contextmanager
def hold(file: Path, number: int) -> Iterator[bool]:
    """Hold a number (0 to 2**63 - 1) while the block runs; False, at once, when another thread or process has it."""
    is_held = _take(file, number)
    try:
        yield is_held
    finally:
        if is_held:
            _give_back(file, number)


def _take(file: Path, number: int) -> bool:
    with _mutex:
        if (file, number) in _held:
            return False
        descriptor = _descriptor(file)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES
            return False
        _held.add((file, number))
    return True


def _give_back(file: Path, number: int) -> None:
    with _mutex:
        fcntl.lockf(_descriptor(file), fcntl.LOCK_UN, 1, number)
        _held.discard((file, number))


@cache
def _descriptor(file: Path) -> int:
    # Open for good: to close any descriptor of a file drops all the locks that the process has on it.
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
