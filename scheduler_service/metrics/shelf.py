"""The folder of all books: reading them together, and keeping the sums of those whose process has died.

A book is locked by its process, and the kernel frees the lock however the process ends. So whoever gets the lock of a
book may fold it into the file of sums. That names what was folded: a crash between its replacing and the removal of
the books counts nothing twice.
"""

import fcntl
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from scheduler_service.metrics import book
from scheduler_service.metrics.book import Key

logger = logging.getLogger(__name__)

FOLDED = "folded.json"
LOCK = "lock"
FORGOTTEN_AFTER = 60.0
"""Seconds after which a book that never got its name is the remains of a crash."""

Keeps = Callable[[Key], bool]


@dataclass
class Totals:
    """What the processes of a folder have counted, and how many of them live."""

    sums: dict[Key, float] = field(default_factory=lambda: defaultdict(float))
    processes: int = 0


def totals(folder: Path, outlives: Keeps) -> Totals:
    """All sums of a folder; of the dead only those that outlive their process. Raises OSError."""
    fold(folder, outlives)
    found = Totals()
    if not folder.is_dir():
        return found
    with _locked(folder, fcntl.LOCK_SH):
        names, sums = _folded(folder)
        found.sums.update(sums)
        for path in _books(folder, names):
            found.processes += 1
            for key, value in _read(path):
                found.sums[key] += value
    return found


def fold(folder: Path, outlives: Keeps) -> int:
    """Take the books of the dead into the file of sums; how many. Nothing while somebody else reads or folds."""
    with suppress(BlockingIOError, FileNotFoundError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        names, sums = _folded(folder)
        for name in names:
            (folder / name).unlink(missing_ok=True)
        dead = [path for path in _books(folder, set()) if _is_dead(path)]
        if dead:
            added = defaultdict(float, sums)
            for path in dead:
                for key, value in _read(path):
                    if outlives(key):
                        added[key] += value
            _write(folder, [path.name for path in dead], added)
            for path in dead:
                path.unlink(missing_ok=True)
        _forget_unfinished(folder)
        return len(dead)
    return 0


def _books(folder: Path, folded: set[str]) -> list[Path]:
    return [path for path in sorted(folder.glob(f"*{book.SUFFIX}")) if path.name not in folded]


def _read(path: Path) -> Iterator[tuple[Key, float]]:
    try:
        yield from book.read(path.read_bytes())
    except (OSError, ValueError) as error:
        logger.warning("The counts in %s cannot be read: %s", path, error)


def _is_dead(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it lives, or the file system has no locks
        return False
    finally:
        os.close(descriptor)
    return True


def _folded(folder: Path) -> tuple[set[str], dict[Key, float]]:
    try:
        kept = json.loads((folder / FOLDED).read_text())
        return set(kept["books"]), {tuple(key): value for key, value in kept["sums"]}
    except FileNotFoundError:
        return set(), {}
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("The sums in %s cannot be read, and begin anew: %s", folder / FOLDED, error)
        return set(), {}


def _write(folder: Path, books: list[str], sums: dict[Key, float]) -> None:
    new = folder / f"{FOLDED}.new"
    new.write_text(json.dumps({"books": books, "sums": list(sums.items())}))
    new.replace(folder / FOLDED)


def _forget_unfinished(folder: Path) -> None:
    for path in folder.glob(f"*{book.NEW_SUFFIX}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > FORGOTTEN_AFTER:
                path.unlink()


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        try:
            yield
        finally:
            # Said, not left to closing: a child that was forked meanwhile has the same lock.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
