"""Tells worker children that their worker is stopping.

A warm shutdown waits for the Celery tasks that run, and a drain would go on claiming as long as there is work. The
children learn of it through shared memory: the parent's signal handlers write it, nothing can block. It holds the
moment, by the monotonic clock that all processes of a machine share, so that a handler can be interrupted when the
grace is over.
"""

import mmap
import os
import struct
import time
from typing import Any

from celery.signals import worker_init, worker_shutting_down

_MOMENT = struct.Struct("d")

_memory = mmap.mmap(-1, _MOMENT.size)
_parent = 0


def is_stopping() -> bool:
    """Whether this process should begin nothing more: its worker is stopping, or is gone."""
    return _stopped_at() != 0.0 or _is_orphan()


def stopping_for() -> float:
    """Seconds since the worker was told to stop; 0 while it is not."""
    moment = _stopped_at()
    return time.monotonic() - moment if moment else 0.0


def stop() -> None:
    """Begin nothing more, in this process and in those forked from it."""
    if not _stopped_at():
        _MOMENT.pack_into(_memory, 0, time.monotonic())


def reset() -> None:
    """Take `stop` back."""
    _MOMENT.pack_into(_memory, 0, 0.0)


def _stopped_at() -> float:
    moment: float = _MOMENT.unpack_from(_memory, 0)[0]
    return moment


def _is_orphan() -> bool:
    # Asked for each row: mostly the first of the two system calls is enough.
    return _parent != 0 and os.getppid() != _parent and os.getpid() != _parent


@worker_init.connect(weak=False)
def _remember_parent(**kwargs: Any) -> None:
    global _parent
    _parent = os.getpid()
    reset()


@worker_shutting_down.connect(weak=False)
def _tell_children(**kwargs: Any) -> None:
    stop()
