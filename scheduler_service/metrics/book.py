"""The sums of one process: a file that it maps into memory, so that adding costs no call of the kernel.

prometheus_client keeps such files too (its multiprocess mode). These differ in what this service needs: the file is
locked for as long as its process lives, so that others know whether it does, in whatever container; its room is
taken before it is written, since a full disk would end the process (SIGBUS); and nothing depends on a variable of the
environment, which Flower, who uses prometheus_client in a process of its own, would see as well.
"""

import fcntl
import json
import mmap
import os
import secrets
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

Key = tuple[str, ...]
"""A metric's name, the values of its labels and, of a histogram, a bucket's bound or `sum`."""

SUFFIX = ".counts"
NEW_SUFFIX = ".new"
_MAGIC = b"SCHEDCT1"
_USED = struct.Struct("=q")
_ENTRY = struct.Struct("=dI")
_BEGIN = len(_MAGIC) + _USED.size
_ROOM = 64 * 1024


class Book:
    """Sums by key. Not safe for threads, nor across a fork: see `abandon`."""

    def __init__(self, folder: Path) -> None:
        """Begin a file of its own in the folder. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        new = folder / f"{name}{NEW_SUFFIX}"
        self._descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._places: dict[Key, int] = {}
        try:
            self._room = 0
            self._grow(_ROOM)
            self._map[: len(_MAGIC)] = _MAGIC
            self._set_used(_BEGIN)
            _lock(self._descriptor)
            # Under this name only when it is locked: nobody may take it for that of a process that has died.
            self.path = folder / f"{name}{SUFFIX}"
            new.rename(self.path)
        except OSError:
            os.close(self._descriptor)
            new.unlink(missing_ok=True)
            raise

    def add(self, key: Key, amount: float) -> None:
        """Add to a key's sum. Raises OSError if there is no room for a new key."""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = self._enter(key)
        # One aligned store of eight bytes: who reads the file sees the old sum or the new one.
        self._values[place] += amount

    def abandon(self) -> None:
        """Let go of it. In the child of a fork: the file is the parent's, and its lock must end with the parent."""
        os.close(self._descriptor)

    def _enter(self, key: Key) -> int:
        text = json.dumps(key).encode()
        size = -(-(_ENTRY.size + len(text)) // 8) * 8
        begin = self._used
        if begin + size > self._room:
            self._grow(max(2 * self._room, begin + size))
        _ENTRY.pack_into(self._map, begin, 0.0, len(text))
        self._map[begin + _ENTRY.size : begin + _ENTRY.size + len(text)] = text
        self._set_used(begin + size)
        return begin // 8

    def _grow(self, room: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._descriptor, 0, room)
        else:
            os.ftruncate(self._descriptor, room)
        self._room = room
        self._map = mmap.mmap(self._descriptor, room)
        self._values = memoryview(self._map).cast("d")

    def _set_used(self, used: int) -> None:
        self._used = used
        self._map[len(_MAGIC) : _BEGIN] = _USED.pack(used)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks: whose file it is cannot be told, and it stays.
        if isinstance(error, BlockingIOError):
            raise


def read(data: bytes) -> Iterator[tuple[Key, float]]:
    """The sums in a book's file, also while its process adds to it. Raises ValueError if it is no such file."""
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("no file of counts")
    [used] = _USED.unpack_from(data, len(_MAGIC))
    position = _BEGIN
    while position < min(used, len(data)):
        value, length = _ENTRY.unpack_from(data, position)
        text = data[position + _ENTRY.size : position + _ENTRY.size + length]
        yield tuple(json.loads(text)), value
        position += -(-(_ENTRY.size + length) // 8) * 8
