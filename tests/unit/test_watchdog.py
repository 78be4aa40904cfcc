"""Looking after a row that takes long. `look` is one round; the clock moves when it is told to."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from tasks_app.failures import WorkerStopped
from tasks_app.lifecycle import Outcome
from tasks_app.operations import Cancelled, TimeLimitExceeded
from tasks_app.records import Claim, Ending
from tasks_app.runner import LeaseLost, Runner
from tasks_app.slices import Running, Slice
from tasks_app.watchdog import Watchdog
from tests.support import registered_operation
from tests.unit.test_runner import LIMITS, Clock, a_claim


class FakeStore:
    """Records what is written; holds every lease unless told otherwise."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Any]]] = []
        self.is_away = False
        self.holds = True
        self.cancel: set[UUID] = set()

    def _note(self, verb: str, items: Sequence[Any]) -> None:
        if self.is_away:
            raise ConnectionError("the database is away")
        self.calls.append((verb, list(items)))

    def finish(self, endings: Sequence[Ending]) -> set[UUID]:
        self._note("finish", endings)
        return {ending.claim.task_id for ending in endings}

    def release(self, claims: Sequence[Claim]) -> set[UUID]:
        self._note("release", claims)
        return {claim.task_id for claim in claims}

    def heartbeat(self, claims: Sequence[Claim]) -> set[UUID]:
        self._note("heartbeat", claims)
        return {claim.task_id for claim in claims if self.holds}

    def cancel_requested(self, claims: Sequence[Claim]) -> set[UUID]:
        return self.cancel

    def progress(self, claim: Claim, value: dict[str, Any]) -> bool:
        self._note("progress", [value])
        return True

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.calls]


class Scene:
    """A slice of three rows: the first has ended, the second is running, the third waits."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = FakeStore()
        self.runner = Runner(LIMITS, clock=self.clock)
        self.interrupts: list[tuple[Running, BaseException]] = []
        self.runner.interrupt = lambda running, error: self.interrupts.append((running, error))
        self.ended_process = 0
        self.stopping_for = 0.0
        self.watchdog = Watchdog(
            self.runner,
            self.store,
            close_connection=lambda: None,
            end_process=self._end_process,
            stopping_for=lambda: self.stopping_for,
        )
        self.claims = [a_claim("4+7"), a_claim(), a_claim()]
        self.slice = Slice(self.claims, self.clock.now)
        self.slice.begin_next(self.clock.now)
        self.slice.end(self.runner.ended_by(self.slice.running, TimeLimitExceeded("over")))
        self.slice.begin_next(self.clock.now)

    def _end_process(self) -> None:
        self.ended_process += 1

    def look_after(self, seconds: float) -> None:
        self.clock.now += seconds
        self.watchdog.look(self.slice)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_quick_rows_are_left_alone(scene):
    scene.look_after(0.05)
    assert scene.store.calls == []


def test_a_slow_row_gives_back_what_waits_and_lets_out_what_has_ended(scene):
    ended = scene.slice.endings
    scene.look_after(0.2)
    assert scene.store.calls == [("release", [scene.claims[2]]), ("finish", ended)]
    assert scene.slice.take_unwritten() == []


def test_rows_are_kept_while_the_database_is_away(scene):
    scene.store.is_away = True
    with pytest.raises(ConnectionError):
        scene.look_after(0.2)
    assert scene.slice.next_waiting() == scene.claims[2]
    scene.store.is_away = False
    scene.look_after(0.2)
    assert scene.store.verbs() == ["release", "finish"]


def test_a_lease_is_renewed_when_a_third_of_it_is_gone(scene):
    scene.slice.running.claim = a_claim(timeout_seconds=900.0)
    scene.look_after(19)
    assert "heartbeat" not in scene.store.verbs()
    scene.look_after(2)
    scene.look_after(1)
    assert scene.store.verbs().count("heartbeat") == 1


def test_a_worker_that_cannot_renew_stops_before_the_lease_ends(scene):
    scene.slice.running.claim = a_claim(timeout_seconds=900.0)
    scene.store.is_away = True
    for _ in range(47):
        with pytest.raises(ConnectionError):
            scene.look_after(1)
    assert scene.interrupts == []
    with pytest.raises(ConnectionError):
        scene.look_after(2)
    assert isinstance(scene.interrupts[0][1], LeaseLost)


def test_a_worker_whose_lease_was_taken_stops(scene):
    scene.slice.running.claim = a_claim(timeout_seconds=900.0)
    scene.store.holds = False
    scene.look_after(21)
    assert [type(error) for _, error in scene.interrupts] == [LeaseLost]


def test_a_time_limit_interrupts_once(scene):
    scene.look_after(8)
    assert scene.interrupts == []
    scene.look_after(2)
    scene.look_after(1)
    assert [type(error) for _, error in scene.interrupts] == [TimeLimitExceeded]


def test_a_handler_is_reminded_of_its_interrupt_until_its_grace_is_over(scene):
    reminded: list[float] = []
    scene.runner.remind = lambda: reminded.append(scene.clock.now)
    scene.look_after(8)
    scene.look_after(2)
    assert reminded == []
    scene.look_after(1)
    scene.look_after(1)
    assert len(reminded) == 2


def test_a_handler_that_heeds_no_time_limit_ends_with_its_process_as_a_timeout(scene):
    running = scene.slice.running
    scene.look_after(10)
    scene.look_after(5)
    assert scene.ended_process == 0
    scene.look_after(1)
    assert scene.ended_process == 1
    verb, endings = scene.store.calls[-1]
    assert (verb, endings[-1].claim, endings[-1].outcome) == ("finish", running.claim, Outcome.TIMEOUT)


def test_a_process_that_lost_its_lease_and_does_not_stop_is_ended_without_a_result(scene):
    scene.slice.running.claim = a_claim(timeout_seconds=900.0)
    scene.store.holds = False
    scene.look_after(21)
    scene.look_after(6)
    assert scene.ended_process == 1
    assert [items for verb, items in scene.store.calls if verb == "finish"][-1] == []


def test_a_row_that_ended_in_the_meantime_is_not_ended_again(scene):
    scene.look_after(10)
    running = scene.slice.running
    scene.slice.end(None)
    scene.watchdog._end(scene.slice, running)
    assert scene.ended_process == 0


def test_a_requested_cancellation_reaches_the_handler(scene):
    scene.look_after(0.2)
    assert not scene.slice.running.context.is_cancelled()
    scene.store.cancel = {scene.slice.running.claim.task_id}
    scene.look_after(1.1)
    assert scene.slice.running.context.is_cancelled()


def test_a_run_that_outlasts_its_workers_shutdown_is_interrupted(scene):
    scene.slice.running.claim = a_claim(timeout_seconds=900.0)
    scene.stopping_for = LIMITS.shutdown_seconds - 1
    scene.look_after(1)
    assert scene.interrupts == []
    scene.stopping_for = LIMITS.shutdown_seconds + 1
    scene.look_after(1)
    assert [type(error) for _, error in scene.interrupts] == [WorkerStopped]


def test_progress_is_written_at_most_once_a_second_and_only_when_it_is_new(scene):
    for seconds, done in ((0.2, 1), (0.3, 2), (0.3, 3), (0.5, 4), (1.1, None)):
        if done:
            scene.slice.running.context.progress(done, 9, "rows")
        scene.look_after(seconds)
    written = [items for verb, items in scene.store.calls if verb == "progress"]
    assert written == [
        [{"done": 1, "total": 9, "note": "rows"}],
        [{"done": 4, "total": 9, "note": "rows"}],
    ]


def cancelled_scene(**settings: Any) -> list[type[BaseException]]:
    scene = Scene()
    with registered_operation(lambda: None, **settings):
        scene.slice.running.claim = a_claim(timeout_seconds=900.0)
        scene.store.cancel = {scene.slice.running.claim.task_id}
        scene.look_after(1.1)
        assert scene.interrupts == []
        scene.look_after(LIMITS.grace_seconds + 0.1)
        scene.look_after(LIMITS.grace_seconds + 0.1)
    assert scene.ended_process == len(scene.interrupts)
    return [type(error) for _, error in scene.interrupts]


def test_a_cancelled_run_is_ended_by_force_only_where_its_operation_allows_it():
    assert cancelled_scene() == []
    assert cancelled_scene(force_cancel=True) == [Cancelled]
