"""What ticks make of a schedule, item by item: the model that the simulated year is held against."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.integration.year_rules import Plan

LATE_AFTER = 60.0
WINDOW = 86_400.0
AHEAD = timedelta(seconds=3)
BUFFER = 100


@dataclass
class Model:
    """One schedule: its verdicts so far and what it waits for."""

    plan: Plan
    jitter: Callable[[datetime], timedelta]
    verdicts: dict[datetime, str] = field(default_factory=dict)
    earlier: dict[datetime, str] = field(default_factory=dict)
    """Verdicts from before this plan: a limit that is reached takes back none of them."""
    position: int = 0
    fired: int = 0
    waiting: list[datetime] = field(default_factory=list)
    is_running: bool = False
    is_over: bool = False

    def __post_init__(self) -> None:
        self.pass_by()

    @property
    def next_at(self) -> datetime | None:
        items = self.plan.items
        return None if self.is_over or self.position >= len(items) else items[self.position][0]

    def pass_by(self) -> None:
        """Go past items that do not fire by their rule."""
        items = self.plan.items
        while self.position < len(items) and not items[self.position][1]:
            self.verdicts[items[self.position][0]] = "by rule"
            self.position += 1

    def tick(self, now: datetime) -> None:
        allows = self.plan.columns["overlap"] == "allow"
        horizon = now + AHEAD if allows else now
        self.earlier = dict(self.verdicts)
        if self.next_at is not None and self.next_at <= horizon:
            self.fire(self.due(horizon, now), now)
        self.earlier = dict(self.verdicts)
        if self.waiting and (allows or not self.is_running):
            self.fire([], now)

    def due(self, horizon: datetime, now: datetime) -> list[datetime]:
        """Go past all up to the horizon; those of them that catch-up lets fire."""
        found, items = [], self.plan.items
        while self.position < len(items) and items[self.position][0] <= horizon:
            if items[self.position][1]:
                found.append(items[self.position][0])
            else:
                self.verdicts[items[self.position][0]] = "by rule"
            self.position += 1
        self.pass_by()
        fires = self.caught_up(found, now)
        self.verdicts |= {at: "missed" for at in found if at not in fires}
        return fires

    def caught_up(self, found: list[datetime], now: datetime) -> list[datetime]:
        columns = self.plan.columns
        window = columns["catch_up_window_seconds"]
        window = WINDOW if window is None else window
        age = {at: (now - at).total_seconds() for at in found}
        on_time = [at for at in found if age[at] <= LATE_AFTER]
        late = [at for at in found if age[at] > LATE_AFTER]
        in_window = [at for at in late if age[at] <= window]
        if columns["catch_up"] == "skip":
            fires = on_time
        elif columns["catch_up"] == "all":
            fires = in_window + on_time
        else:
            fires = on_time or [at for at in late[-1:] if at in in_window]
        return fires[-columns["catch_up_limit"] :]

    def fire(self, fires: list[datetime], now: datetime) -> None:
        """Expiry, then overlap, then the limit."""
        expired = [at for at in [*self.waiting, *fires] if self.is_expired(at, now)]
        self.verdicts |= dict.fromkeys(expired, "expired")
        self.waiting = [at for at in self.waiting if at not in expired]
        chosen = [at for at in fires if at not in expired]
        if self.plan.columns["overlap"] == "cancel_previous":
            self.verdicts |= dict.fromkeys(chosen[:-1], "overlap")
            self.begin(chosen[-1:], now)
        else:
            self.waiting += chosen
            self.let_wait(now)

    def let_wait(self, now: datetime) -> None:
        overlap = self.plan.columns["overlap"]
        if overlap == "allow":
            turn, self.waiting = self.waiting, []
        else:
            turn = [] if self.is_running else self.waiting[:1]
            rest = self.waiting[len(turn) :]
            room = {"skip": 0, "buffer_one": 1, "buffer_all": BUFFER}[overlap]
            self.waiting = rest[:room]
            self.verdicts |= dict.fromkeys(rest[room:], "overlap")
        self.begin(turn, now)

    def begin(self, turn: list[datetime], now: datetime) -> None:
        limit = self.plan.columns["schedule_x_times"]
        for at in turn:
            if self.is_over:
                return
            self.verdicts[at] = "LATE" if (now - at).total_seconds() > LATE_AFTER else "FIRED"
            self.is_running = True
            self.fired += 1
            if self.fired == limit:
                self.is_over, self.waiting = True, []
                up_to_it = {time: word for time, word in self.verdicts.items() if time <= at}
                self.verdicts = self.earlier | up_to_it

    def is_expired(self, at: datetime, now: datetime) -> bool:
        seconds = self.plan.columns["expires_after_seconds"]
        return seconds is not None and at + self.jitter(at) + timedelta(seconds=seconds) <= now
