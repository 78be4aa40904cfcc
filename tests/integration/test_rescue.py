"""When a rescuer believes the database's clock."""

from datetime import timedelta

import pytest

from tasks_app import store
from tasks_app.rescue import Rescuer
from tests.integration.helpers import LEASE, NOON, claim, create

pytestmark = pytest.mark.django_db


class Clocks:
    """The database's clock and a monotonic one; they move together unless one is moved alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.instant = NOON, 500.0
        monkeypatch.setattr(store, "database_now", lambda: self.now)
        self.rescuer = Rescuer(lambda: self.now, lambda: self.instant)

    def look_after(self, seconds: float, jump: float = 0) -> int:
        self.instant += seconds
        self.now += timedelta(seconds=seconds + jump)
        return self.rescuer.look()


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch, settings: pytest.FixtureRequest) -> Clocks:
    settings.CONFIG = settings.CONFIG.model_copy(update={"lease_seconds": LEASE})
    return Clocks(monkeypatch)


@pytest.fixture(autouse=True)
def rescue_by_the_test_clock(monkeypatch: pytest.MonkeyPatch, clocks: Clocks) -> None:
    rescue = store.rescue
    monkeypatch.setattr(store, "rescue", lambda: rescue(clocks.now))


def test_a_lost_task_is_rescued_at_the_first_look_after_its_lease(clocks):
    for _ in range(6):
        clocks.look_after(5)
    create(now=clocks.now)
    claim(now=clocks.now)
    assert [clocks.look_after(5) for _ in range(13)] == [0] * 12 + [1]


def test_a_jump_of_the_clock_does_not_make_live_tasks_look_dead(clocks):
    for _ in range(6):
        clocks.look_after(5)
    create(now=clocks.now)
    (held,) = claim(now=clocks.now)
    assert clocks.look_after(5, jump=3600) == 0
    assert clocks.look_after(5) == 0
    store.heartbeat([held], lease_seconds=LEASE, now=clocks.now)
    assert [clocks.look_after(5) for _ in range(11)] == [0] * 11


def test_after_a_jump_what_is_really_lost_is_rescued_a_third_of_a_lease_later(clocks):
    for _ in range(6):
        clocks.look_after(5)
    create(now=clocks.now)
    claim(now=clocks.now)
    looks = [clocks.look_after(5, jump=3600), *(clocks.look_after(5) for _ in range(5))]
    assert sum(looks[:5]) == 0
    assert looks[5] == 1


def test_a_new_rescuer_waits_until_live_workers_have_renewed(clocks):
    create(now=NOON - timedelta(hours=1))
    claim(now=NOON - timedelta(hours=1))
    assert [clocks.look_after(5) for _ in range(5)] == [0] * 5
    assert clocks.look_after(5) == 1
