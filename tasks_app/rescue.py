"""When to believe that a lease has run out.

Leases are times of the database's clock. When that clock jumps forward, every live task looks dead until its next
heartbeat, a third of the lease later. So a rescuer compares, at each look, how far the database's clock has come
with how far its own monotonic clock has; after a jump, and at its first look, it waits until live workers have
renewed.
"""

import logging
import mmap
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from tasks_app import store

logger = logging.getLogger(__name__)

_STATE = struct.Struct("ddd")
"""At the last look: the database's clock and the monotonic one; and from when on leases are believed."""

TOLERANCE = 2.0
"""Seconds by which the clocks may differ between two looks."""


@dataclass
class Rescuer:
    """Looks for expired leases; keeps, between two looks, what the clocks said. One per worker.

    What it keeps lies in memory that the processes of a worker share: any of them may get the next look.
    """

    database_now: Callable[[], datetime] = store.database_now
    monotonic: Callable[[], float] = time.monotonic
    _memory: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, _STATE.size), init=False)

    def look(self) -> int:
        """Rescue what is lost; how many tasks. Nothing while the database's clock is not to be trusted."""
        now, instant = self.database_now(), self.monotonic()
        then, before, trusted_from = _STATE.unpack_from(self._memory, 0)
        if _has_jumped(now.timestamp() - then, instant - before, is_first=not then):
            # Live workers renew within a third of the lease; two seconds more for a slow database.
            trusted_from = instant + settings.CONFIG.lease_seconds / 3 + TOLERANCE
        _STATE.pack_into(self._memory, 0, now.timestamp(), instant, trusted_from)
        if instant < trusted_from:
            return 0
        rescued = len(store.rescue())
        if rescued:
            logger.warning("Rescued %d tasks whose workers vanished", rescued)
        return rescued


def _has_jumped(database_seconds: float, seconds: float, *, is_first: bool) -> bool:
    jump = database_seconds - seconds
    if not is_first and abs(jump) > TOLERANCE:
        logger.warning("The database's clock jumped by %.1f s; leases are looked at again later", jump)
    return is_first or abs(jump) > TOLERANCE
