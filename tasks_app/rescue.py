"""When to believe that a lease has run out.

Leases are times of the database's clock. When that clock jumps forward, every live task looks dead until its next
heartbeat, a third of the lease later. So a rescuer compares, at each look, how far the database's clock has come
with how far its own monotonic clock has; after a jump, and at its first look, it waits until live workers have
renewed.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from tasks_app import store

logger = logging.getLogger(__name__)

TOLERANCE = 2.0
"""Seconds by which the clocks may differ between two looks."""


@dataclass
class Rescuer:
    """Looks for expired leases; keeps, between two looks, what the clocks said. One per process."""

    database_now: Callable[[], datetime] = store.database_now
    monotonic: Callable[[], float] = time.monotonic
    _seen: tuple[datetime, float] | None = field(default=None, init=False)
    _trusted_from: float = field(default=0.0, init=False)

    def look(self) -> int:
        """Rescue what is lost; how many tasks. Nothing while the database's clock is not to be trusted."""
        now, instant = self.database_now(), self.monotonic()
        if self._has_jumped(now, instant):
            # Live workers renew within a third of the lease; two seconds more for a slow database.
            self._trusted_from = instant + settings.CONFIG.lease_seconds / 3 + TOLERANCE
        self._seen = (now, instant)
        if instant < self._trusted_from:
            return 0
        rescued = len(store.rescue())
        if rescued:
            logger.warning("Rescued %d tasks whose workers vanished", rescued)
        return rescued

    def _has_jumped(self, now: datetime, instant: float) -> bool:
        if self._seen is None:
            return True
        then, before = self._seen
        jump = (now - then).total_seconds() - (instant - before)
        if abs(jump) > TOLERANCE:
            logger.warning("The database's clock jumped by %.1f s; leases are looked at again later", jump)
        return abs(jump) > TOLERANCE
