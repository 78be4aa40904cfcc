"""The rules: what clients, workers, sweepers and time do to the store, in any order, with faults in between."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.strategies._internal.featureflags import FeatureFlags

from tasks_app import store
from tasks_app.lifecycle import TERMINAL, Backoff, Curve, Outcome, Status, after_attempt
from tasks_app.records import Claim, Ending, NewTask
from tests.integration.machine.drive import DRAW, QUEUES, SLOW, Driver, success
from tests.integration.machine.faults import Fault

WORKERS = ("a", "b", "c")
POINTS = [Fault(event, before) for event in (1, 2, 3, 4, 5) for before in (True, False)]
FAULTS = st.sampled_from([None] * 20 + POINTS)
MORE_FAULTS = st.sampled_from([None] * 3 + POINTS)
PICK = st.integers(0, 11)
PROJECTS = (1, 7)
PICKS = st.lists(PICK, min_size=1, max_size=3, unique=True)
VERBS = st.sampled_from(["finish", "release", "heartbeat", "progress"])
SOMETIMES = st.sampled_from([False, False, True])
AGES = st.sampled_from([-1, -1, -1, 0, 60])
LEASES = st.sampled_from([5.0, 30.0, 60.0])
OUTCOMES = st.sampled_from(
    [
        (outcome, retryable)
        for outcome in sorted(set(Outcome) - {Outcome.LOST})
        for retryable in (True, True, False)
    ]
)
ENDS = st.lists(OUTCOMES, min_size=3, max_size=3)
NEW = st.fixed_dictionaries(
    {
        "priority": st.sampled_from([5, 5, 0, 9]),
        "queue": st.sampled_from([QUEUES[0]] * 4 + [QUEUES[1]]),
        "operation": st.sampled_from(["4+7", "4+7", *SLOW]),
        "max_attempts": st.integers(1, 4),
        "backoff": st.builds(
            Backoff, st.sampled_from([0.0, 2.0, 50.0]), st.just(3600.0), st.sampled_from(Curve)
        ),
        "unique_key": st.sampled_from([None, None, "x", "y"]),
        "project_id": st.sampled_from(PROJECTS),
    }
)
SECONDS_AHEAD = st.sampled_from([None] * 6 + [4, 45, 400])
TASKS = {"running": {Status.STARTED}, "unfinished": set(Status) - TERMINAL, "any": set(Status)}
Items = Sequence[tuple[dict[str, Any], int | None, int | None]]
ITEMS = st.lists(st.tuples(NEW, SECONDS_AHEAD, SECONDS_AHEAD), min_size=1, max_size=4)


class StoreMachine(RuleBasedStateMachine):
    """Three workers that crash, sleep and repeat themselves; clients; sweeps; a clock that jumps."""

    tally: ClassVar[Counter[str]] = Counter()
    """How often what has happened, over all runs: a machine to which nothing happens proves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver()
        self.ids: list[UUID] = []
        self.holding: dict[str, list[Claim]] = {worker: [] for worker in WORKERS}
        self.memory: list[Claim] = []

    def teardown(self) -> None:
        # After a failure the tables are not what the model says: only the failure itself counts then.
        if self.driver.is_sound:
            self.driver.come_to_quiet()
        StoreMachine.tally.update(self.driver.tally)

    @initialize(items=ITEMS)
    def begin(self, items: Items) -> None:
        self.create(items, None)

    @rule(items=ITEMS, fault=FAULTS)
    def create(self, items: Items, fault: Fault | None) -> None:
        new = [self._new_task(*item) for item in items]
        now, model = self.driver.now, self.driver.model
        self.driver.perform(
            lambda: [task.task_id for task in store.create(new, now)], lambda: model.create(new, now), fault
        )

    @precondition(lambda self: self._queues())
    @rule(worker=st.sampled_from(WORKERS), pick=PICK, limit=st.integers(1, 4), lease=LEASES, fault=FAULTS)
    def claim(self, worker: str, pick: int, limit: int, lease: float, fault: Fault | None) -> None:
        self._claim(_picked(self._queues(), pick), worker, limit, lease, fault)

    @precondition(lambda self: any(self.holding.values()))
    @rule(picks=PICKS, outcomes=ENDS, is_cancelled=SOMETIMES, is_doubled=SOMETIMES, fault=FAULTS)
    def finish(
        self,
        picks: list[int],
        outcomes: list[tuple[Outcome, bool]],
        is_cancelled: bool,
        is_doubled: bool,
        fault: Fault | None,
    ) -> None:
        claims = self._part_with(picks)
        if is_cancelled:
            self.driver.cancel([item.task_id for item in claims])
        endings = [_ending(*pair) for pair in zip(claims, outcomes, strict=False)]
        if is_doubled:
            endings.append(_ending(claims[0], outcomes[-1]))
        self.driver.finish(endings, fault)

    @precondition(lambda self: any(self.holding.values()))
    @rule(worker=st.sampled_from(WORKERS), outcomes=ENDS, limit=st.integers(1, 4), fault=MORE_FAULTS)
    def finish_and_claim(
        self, worker: str, outcomes: list[tuple[Outcome, bool]], limit: int, fault: Fault | None
    ) -> None:
        """A worker goes from one slice to the next; some of its rows may be another's by now."""
        held, self.holding[worker] = self.holding[worker], []
        endings = [_ending(*pair) for pair in zip(held, outcomes * len(held), strict=False)]
        queue = next(iter(self._queues()), QUEUES[0])
        claims = self.driver.finish_and_claim(endings, queue, worker, limit, 60.0, fault)
        self.holding[worker] += claims
        self.memory += claims

    @precondition(lambda self: any(self.holding.values()))
    @rule(picks=PICKS, is_cancelled=SOMETIMES, fault=FAULTS)
    def release(self, picks: list[int], is_cancelled: bool, fault: Fault | None) -> None:
        claims = self._part_with(picks)
        if is_cancelled:
            self.driver.cancel([item.task_id for item in claims])
        self.driver.release(claims, fault)

    @precondition(lambda self: any(self.holding.values()))
    @rule(worker=st.sampled_from(WORKERS), lease=LEASES, fault=FAULTS)
    def heartbeat(self, worker: str, lease: float, fault: Fault | None) -> None:
        held = self.driver.heartbeat(self.holding[worker], lease, fault)
        self.holding[worker] = [item for item in self.holding[worker] if item.task_id in held]

    @precondition(lambda self: self.memory)
    @rule(
        pick=PICK,
        is_superseded=st.sampled_from([True, True, False]),
        verb=VERBS,
        outcome=OUTCOMES,
    )
    def remember(self, pick: int, is_superseded: bool, verb: str, outcome: tuple[Outcome, bool]) -> None:
        """A worker wakes with a claim that it, or another, or nobody still holds, and goes on where it was."""
        old = [item for item in self.memory if self._is_superseded(item)] if is_superseded else []
        item = _picked(old or self.memory, pick)
        self._act(item, verb, outcome)

    @rule(
        picks=PICKS,
        of=st.sampled_from(["any", "unfinished", "unfinished", "running"]),
        verb=st.sampled_from(["cancel", "cancel", "cancel", "delete", "delete", "retry"]),
        project_id=st.sampled_from([None, *PROJECTS]),
        fault=MORE_FAULTS,
    )
    def ask(self, picks: list[int], of: str, verb: str, project_id: int | None, fault: Fault | None) -> None:
        """A client wants something of one task, or of some; maybe of another project's."""
        rows = self.driver.seen.rows
        chosen = [key for key in self.ids if key in rows and rows[key].status in TASKS[of]] or self.ids
        chosen = [_picked(chosen, pick) for pick in picks]
        if verb == "cancel":
            self.driver.cancel(chosen, fault, project_id)
        elif verb == "delete":
            self.driver.delete(chosen[0], fault, project_id)
        elif fresh := self.driver.retry(chosen[0], fault, project_id):
            self.ids.append(fresh)

    @rule(verb=st.sampled_from(["promote", "promote", "expire", "rescue"]), fault=FAULTS)
    def sweep(self, verb: str, fault: Fault | None) -> None:
        getattr(self.driver, verb)(fault=fault)

    @precondition(lambda self: self._finished())
    @rule(pick=PICK, age=AGES, fault=MORE_FAULTS)
    def prune(self, pick: int, age: int, fault: Fault | None) -> None:
        self.driver.prune(Status(_picked(self._finished(), pick)), age, fault)

    @precondition(lambda self: any(self.holding.values()))
    @rule(
        picks=PICKS,
        verb=st.sampled_from(["heartbeat", "finish", "release", "rescue", "cancel"]),
        late=st.sampled_from([True, True, False]),
    )
    def race_a_rescue(self, picks: list[int], verb: str, late: bool) -> None:
        """A worker comes back, a second rescuer or a client, after a rescuer has looked and before it writes."""
        driver = self.driver
        claims = [item for held in self.holding.values() for item in held]
        driver.advance(60.001 if late else 1)
        some = [claims[index] for index in {pick % len(claims) for pick in picks}]
        others = {
            "heartbeat": partial(driver.heartbeat, some, 30.0),
            "finish": partial(driver.finish, [success(some[0])]),
            "release": partial(driver.release, some),
            "rescue": driver.rescue,
            "cancel": partial(driver.cancel, [item.task_id for item in some]),
        }
        driver.rescue(others[verb])

    @precondition(lambda self: any(self.holding.values()))
    @rule(worker=st.sampled_from(WORKERS), is_reading_back=st.booleans())
    def fail(self, worker: str, is_reading_back: bool) -> None:
        """A worker is killed; or it lost an answer, and releases what stands in its name."""
        self.holding[worker] = []
        if is_reading_back:
            self.driver.release(store.held_by(worker))

    @precondition(lambda self: any(self.holding.values()))
    @rule(worker=st.sampled_from(WORKERS), verb=VERBS, outcome=OUTCOMES)
    def sleep_past_leases(self, worker: str, verb: str, outcome: tuple[Outcome, bool]) -> None:
        """All workers sleep; one that wakes is given what they held; then another goes on where it was."""
        self.driver.advance(61)
        self.driver.rescue()
        self.driver.advance(61)
        self.driver.promote()
        for queue in self._queues():
            self._claim(queue, worker, 100, 60.0, None)
        if old := [item for item in self.memory if self._is_superseded(item)]:
            self._act(old[-1], verb, outcome)

    @precondition(lambda self: self.driver.now == self.driver.looked_at)
    @rule(seconds=st.sampled_from([0.001, 0.75, 3.999, 7, 31.5, 61, 401]))
    def let_time_pass(self, seconds: float) -> None:
        self.driver.advance(seconds)

    def _new_task(self, fields: dict[str, Any], run_in: int | None, expires_in: int | None) -> NewTask:
        # Multiplied by an odd number: the order of the ids must not be that of creation.
        task_id = UUID(int=(len(self.ids) + 1) * 0x9E3779B1 % 2**32)
        self.ids.append(task_id)
        now = self.driver.now
        return NewTask(
            task_id=task_id,
            arguments={"number": len(self.ids)},
            timeout_seconds=30.0,
            run_at=None if run_in is None else now + timedelta(seconds=run_in),
            expires_at=None if expires_in is None else now + timedelta(seconds=expires_in),
            **fields,
        )

    def _claim(self, queue: str, worker: str, limit: int, lease: float, fault: Fault | None) -> None:
        claims = self.driver.claim(queue, worker, limit, lease, fault)
        self.holding[worker] += claims
        self.memory += claims

    def _act(self, item: Claim, verb: str, outcome: tuple[Outcome, bool]) -> None:
        driver = self.driver
        if verb == "finish":
            driver.finish([_ending(item, outcome)])
        elif verb == "release":
            driver.release([item])
        elif verb == "heartbeat":
            driver.heartbeat([item], 30.0)
        else:
            value = {"fence": item.fence}
            driver.insist(lambda: store.progress(item, value), lambda: driver.model.progress(item, value))

    def _queues(self) -> list[str]:
        rows = self.driver.seen.rows.values()
        return sorted({row.queue for row in rows if row.status == Status.PENDING})

    def _finished(self) -> list[str]:
        return sorted({row.status for row in self.driver.seen.rows.values()} & TERMINAL)

    def _is_superseded(self, claim: Claim) -> bool:
        row = self.driver.seen.rows.get(claim.task_id)
        return row is not None and row.status == Status.STARTED and row.fence > claim.fence

    def _part_with(self, picks: list[int]) -> list[Claim]:
        """Some claims of one worker, which has no more to do with them."""
        holders = [worker for worker in WORKERS if self.holding[worker]]
        mine = self.holding[holders[picks[0] % len(holders)]]
        chosen = {pick % len(mine) for pick in picks}
        claims = [mine[index] for index in sorted(chosen)]
        mine[:] = [item for index, item in enumerate(mine) if index not in chosen]
        return claims


def _picked(items: Sequence[Any], pick: int) -> Any:
    """The newest first: what happened lately is what goes wrong."""
    return items[-1 - pick % len(items)]


def _ending(claim: Claim, end: tuple[Outcome, bool]) -> Ending:
    outcome, retryable = end
    verdict = after_attempt(
        outcome,
        attempt=claim.attempt,
        max_attempts=claim.max_attempts,
        backoff=claim.backoff,
        draw=DRAW,
        retryable=retryable,
    )
    error = None if outcome is Outcome.SUCCESS else {"code": outcome.lower(), "message": "as drawn"}
    return Ending(
        claim=claim,
        outcome=outcome,
        status=verdict.status,
        wait_seconds=verdict.wait_seconds,
        result={"fence": claim.fence} if outcome is Outcome.SUCCESS else None,
        error=error,
    )


class DenseMachine(StoreMachine):
    """With every rule in every run: Hypothesis leaves out about half of them, which finds more, but later."""

    def __init__(self) -> None:
        super().__init__()
        self._rules_strategy.enabled_rules_strategy = st.builds(FeatureFlags)
