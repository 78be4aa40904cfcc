"""Chores in portions: ticks, sweeps and the like share two processes with the keeper of time.

The keeper is to look every second, and Celery's queue is first come, first served: a chore that went on until
nothing is left would hold up every promotion behind it. So it stops after a portion, and is sent again.
"""

import time
from collections.abc import Callable

from tasks_app import doorbell

PORTION_SECONDS = 0.5
"""How long a chore goes on. It ends with the slice that it is at."""
QUEUE = "scheduler"
MOST_WAITING = 2
"""With so many messages waiting a chore is not sent again: beat's next one does it, a second later as a rule."""


def portion(clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Begin a portion; what is returned says whether its time is spent."""
    end = clock() + PORTION_SECONDS
    return lambda: clock() >= end


def go_on(name: str, *arguments: str) -> bool:
    """Have a chore sent again that has left something; always True, for who does chores without a broker."""
    doorbell.send(name, list(arguments), QUEUE, MOST_WAITING)
    return True
