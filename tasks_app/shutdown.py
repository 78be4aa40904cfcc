"""Tells worker children that their worker is stopping.

A warm shutdown waits for the Celery tasks that run, and a drain would go on claiming as long as there is work. The
children learn of it through a byte of shared memory: the parent's signal handlers write it, nothing can block.
"""

import mmap
import os
from typing import Any

from celery.signals import worker_init, worker_shutting_down

_flag = mmap.mmap(-1, 1)
_parent = 0


def is_stopping() -> bool:
    """Whether this process should begin nothing more: its worker is stopping, or is gone."""
    return _flag[0] != 0 or (_parent != 0 and os.getpid() != _parent and os.getppid() != _parent)


def stop() -> None:
    """Begin nothing more, in this process and in those forked from it."""
    _flag[0] = 1


@worker_init.connect(weak=False)
def _remember_parent(**kwargs: Any) -> None:
    global _parent
    _parent = os.getpid()
    _flag[0] = 0


@worker_shutting_down.connect(weak=False)
def _tell_children(**kwargs: Any) -> None:
    stop()
