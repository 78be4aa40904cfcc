"""The seeded scheduler of faults: one after the other, alone and overlapping."""

import random
import time
from contextlib import suppress
from dataclasses import dataclass

from tests.chaos.cluster import Cluster
from tests.chaos.faults import AWAY, FAULTS, Injection
from tests.chaos.history import Fault


@dataclass
class Active:
    """An injection that has not ended yet, by the wall clock and by the monotonic one."""

    kind: str
    injection: Injection
    begun: float
    heal_at: float
    error: Exception | None = None


class Injector:
    """Injects faults one after the other, without waiting for the end of the last. One thread's own."""

    def __init__(self, cluster: Cluster, seed: str, mean_gap: float) -> None:
        self.faults: list[Fault] = []
        self._cluster = cluster
        self._draw = random.Random(f"{seed}:faults")
        self._mean_gap = mean_gap
        self._active: list[Active] = []
        self._next = time.monotonic() + mean_gap / 2
        self._deck: list[str] = []

    def turn(self) -> None:
        """Heal what is due, and inject the next fault if its time has come."""
        now = time.monotonic()
        for active in [each for each in self._active if each.heal_at <= now]:
            self._heal(active)
        if now >= self._next:
            self._next = now + self._draw.expovariate(1 / self._mean_gap)
            self._inject(self._kind())

    def _kind(self) -> str:
        # A shuffled deck rather than free draws: a run of some minutes then leaves out no kind.
        if not self._deck:
            self._deck = sorted(FAULTS)
            self._draw.shuffle(self._deck)
        return self._deck.pop()

    def _inject(self, kind: str) -> None:
        begun = time.time()
        # Its own numbers: how many an earlier fault drew depends on what it met.
        draw = random.Random(self._draw.random())
        with suppress(*AWAY):
            if (injection := FAULTS[kind](self._cluster, draw)) is not None:
                self._active.append(Active(kind, injection, begun, time.monotonic() + injection.seconds))

    def _heal(self, active: Active) -> None:
        try:
            active.injection.heal()
        except AWAY as error:
            # What is to be healed is itself away at the moment.
            active.error = error
            active.heal_at = time.monotonic() + 0.5
            return
        self._active.remove(active)
        injection = active.injection
        self.faults.append(
            Fault(
                kind=active.kind,
                detail=injection.detail,
                begun=active.begun,
                ended=time.time(),
                killed=injection.killed,
            )
        )

    def heal_all(self, patience: float = 45.0) -> None:
        """End every fault. Raises TimeoutError if one cannot be healed."""
        deadline = time.monotonic() + patience
        while self._active:
            # The last first: what it has frozen may be what another needs for its healing.
            for active in reversed(list(self._active)):
                self._heal(active)
            self._cluster.supervise()
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"faults that cannot be healed: {[(a.kind, a.error) for a in self._active]}"
                )
            time.sleep(0.05)
