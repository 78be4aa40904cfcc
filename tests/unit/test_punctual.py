"""A keeper of time, on a clock of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tasks_app import punctual, shutdown
from tasks_app.punctual import KEEPER_SECONDS, LOOK_SECONDS, OVERHANG_SECONDS, PAUSE_SECONDS, Duty

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass
class World:
    """Moments that are known from a time on; a clock that only sleeping moves."""

    moments: list[float]
    known_from: dict[float, float] = field(default_factory=dict)
    now: float = 100.0
    acts: list[tuple[float, float]] = field(default_factory=list)
    looks: int = 0
    on_sleep: Callable[[float], None] = lambda now: None

    def next_at(self, since: datetime, until: datetime) -> datetime | None:
        self.looks += 1
        elapsed = self.now - 100
        known = [m for m in self.moments if self.known_from.get(m, -9) <= elapsed]
        times = [NOON + timedelta(seconds=moment) for moment in sorted(known)]
        return next((time for time in times if since <= time <= until), None)

    def act(self) -> int:
        elapsed = round(self.now - 100, 6)
        due = [moment for moment in self.moments if moment <= elapsed]
        self.moments = [moment for moment in self.moments if moment > elapsed]
        self.acts += [(moment, elapsed) for moment in due]
        return len(due)

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= LOOK_SECONDS
        self.now += seconds + 1e-7
        self.on_sleep(self.now - 100)

    def keep(self) -> float:
        begin = self.now
        punctual.keep([Duty(self.next_at, self.act)], clock=lambda: self.now, sleep=self.sleep)
        return self.now - begin


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(punctual.store, "database_now", lambda: NOON)
    punctual._UNTIL.pack_into(punctual._memory, 0, 0.0)
    yield
    punctual._UNTIL.pack_into(punctual._memory, 0, 0.0)


def test_each_moment_is_kept_as_it_comes():
    world = World([0.05, 0.3004, 0.3004, 0.77])
    world.keep()
    assert [moment for moment, _ in world.acts] == [0.05, 0.3004, 0.3004, 0.77]
    assert all(0 <= at - moment < 0.001 for moment, at in world.acts)


def test_a_moment_that_becomes_known_at_short_notice_is_kept_too():
    world = World([0.5], known_from={0.5: 0.42})
    world.keep()
    ((moment, at),) = world.acts
    assert at - moment <= LOOK_SECONDS


def test_what_has_just_passed_is_done_at_once_and_what_is_long_overdue_is_left_to_the_sweeps():
    world = World([-0.5])
    world.keep()
    assert world.acts == [(-0.5, 0.0)]
    overdue = World([-5.0])
    overdue.now += KEEPER_SECONDS
    assert overdue.keep() >= KEEPER_SECONDS
    assert overdue.acts == []


def test_many_moments_in_a_row_are_dealt_with_together():
    world = World([n / 500 for n in range(1, 451)])
    world.keep()
    assert len(world.acts) == 450
    assert all(at - moment <= PAUSE_SECONDS + 0.001 for moment, at in world.acts)
    assert world.looks < 300


def test_a_stream_of_moments_is_dealt_with_ten_times_a_second():
    world = World([n / 2000 for n in range(1, 1801)])
    world.keep()
    assert len(world.acts) == 1800
    assert all(at - moment <= LOOK_SECONDS + 0.001 for moment, at in world.acts)
    assert len({at for _, at in world.acts}) <= 15


def test_a_keeper_ends_before_the_next_one_is_sent_if_nothing_is_about_to_come():
    assert KEEPER_SECONDS <= World([]).keep() < 1.0


def test_a_keeper_stays_for_a_moment_that_comes_before_its_successor_can_be_ready():
    world = World([1.04])
    assert world.keep() < KEEPER_SECONDS + OVERHANG_SECONDS + LOOK_SECONDS
    assert world.acts == [(1.04, pytest.approx(1.04, abs=0.001))]


def test_a_moment_that_nobody_can_deal_with_does_not_hold_the_keeper():
    stuck = World([0.2])
    stuck.act = lambda: 0  # type: ignore[method-assign]
    assert stuck.keep() < KEEPER_SECONDS + OVERHANG_SECONDS + LOOK_SECONDS
    assert stuck.looks <= 2 + (KEEPER_SECONDS + OVERHANG_SECONDS) / PAUSE_SECONDS


def test_of_two_keepers_of_one_worker_the_second_ends_at_once_and_the_next_second_has_one_again():
    first = World([])
    first.keep()
    second = World([])
    assert second.keep() == 0.0
    third = World([])
    third.now += KEEPER_SECONDS
    assert third.keep() >= KEEPER_SECONDS


def test_a_keeper_ends_soon_after_its_worker_was_told_to_stop():
    world = World([], on_sleep=lambda elapsed: shutdown.stop() if elapsed > 0.35 else None)
    try:
        assert world.keep() <= 0.35 + LOOK_SECONDS + 0.01
    finally:
        shutdown.reset()
