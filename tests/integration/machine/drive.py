"""One step of the machine: a verb runs, maybe struck by a fault, and the tables are held against the model."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection

from tasks_app import store
from tasks_app.lifecycle import TERMINAL, Outcome, Status
from tasks_app.models import Attempt, Task
from tasks_app.records import Claim, Ending
from tests.integration.helpers import NOON
from tests.integration.machine import snapshot
from tests.integration.machine.faults import Crash, Fault, struck_by
from tests.integration.machine.model import Model, copy_of

# Half a millisecond: no moment of the clock coincides with one that SQLite has rounded.
START = NOON + timedelta(milliseconds=0.5)
QUEUES = ("tasks", "other")
SLOW = ("reports.build",)
DRAW = 0.5
NO_SYNC = {"postgresql": "SET synchronous_commit = off", "sqlite": "PRAGMA synchronous = OFF"}
"""What is struck here are processes and connections, never the machine."""

LOST = object()
"""Stands for the answer of a verb that a fault has struck: its caller knows nothing."""


class Violated(AssertionError):
    """The store broke a promise."""


class Driver:
    """The store and its model, side by side, under one clock that only the machine moves."""

    def __init__(self) -> None:
        Attempt.objects.all().delete()
        Task.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(NO_SYNC[connection.vendor])
        self.now: datetime = START
        self.model = Model()
        self.seen = snapshot.Snapshot()
        self.claimed: set[tuple[Any, int]] = set()
        self.tally: Counter[str] = Counter()
        self.is_sound = True
        self.looked_at = self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(milliseconds=round(seconds * 1000))

    def perform(self, call: Callable[[], Any], expect: Callable[[], Any], fault: Fault | None = None) -> Any:
        """Run a verb and what the model makes of it; the verb's answer, or LOST. All or nothing, always."""
        self.is_sound = False
        try:
            with struck_by(fault) as strike:
                answer = call()
        except Crash:
            assert strike is not None
            self.tally["answer lost" if strike.committed else "crash undone"] += 1
            if strike.committed:
                expect()
            self._look()
            return LOST
        except DatabaseError as error:
            raise Violated(f"the database refuses it: {error}") from error
        wanted = expect()
        if answer != wanted or (strike is not None and strike.struck):
            raise Violated(f"answered {answer}, not {wanted}")
        self._look()
        return answer

    def insist(self, call: Callable[[], Any], expect: Callable[[], Any], fault: Fault | None = None) -> Any:
        """As a worker writes: after a fault, again. What was written already changes nothing then."""
        answer = self.perform(call, expect, fault)
        return self.perform(call, expect) if answer is LOST else answer

    def claim(self, queue: str, worker: str, limit: int, lease: float, fault: Fault | None) -> list[Claim]:
        """Claim; nothing if the answer was lost: what the table gave in the worker's name is not known to it then."""
        return self.finish_and_claim([], queue, worker, limit, lease, fault)

    def finish_and_claim(
        self,
        endings: Sequence[Ending],
        queue: str,
        worker: str,
        limit: int,
        lease: float,
        fault: Fault | None,
    ) -> list[Claim]:
        """Claim, with what the worker has to finish if there is any. If its answer is lost, they are written again."""
        answers: list[Claim] = []
        self._note_stale([item.claim for item in endings])
        options: dict[str, Any] = {"lease_seconds": lease, "slow": SLOW, "now": self.now}

        def call() -> list[tuple[Any, int, int]]:
            if endings:
                answers[:] = store.finish_and_claim(endings, queue, worker, limit, **options)
            else:
                answers[:] = store.claim(queue, worker, limit, **options)
            return [(item.task_id, item.fence, item.attempt) for item in answers]

        def expect() -> list[tuple[Any, int, int]]:
            self.model.finish(endings, self.now)
            return self.model.claim(queue, worker, limit, lease, SLOW, self.now)

        if self.perform(call, expect, fault) is LOST:
            self.finish(endings)
            return []
        for item in answers:
            self._take(item)
        return answers

    def finish(self, endings: Sequence[Ending], fault: Fault | None = None) -> Any:
        self._note_stale([item.claim for item in endings])
        return self.insist(
            lambda: store.finish(endings, self.now), lambda: self.model.finish(endings, self.now), fault
        )

    def release(self, claims: Sequence[Claim], fault: Fault | None = None) -> Any:
        self._note_stale(claims)
        return self.insist(
            lambda: store.release(claims, self.now), lambda: self.model.release(claims, self.now), fault
        )

    def heartbeat(self, claims: Sequence[Claim], lease: float, fault: Fault | None = None) -> Any:
        self._note_stale(claims)
        return self.insist(
            lambda: store.heartbeat(claims, lease_seconds=lease, now=self.now),
            lambda: self.model.heartbeat(claims, lease, self.now),
            fault,
        )

    def cancel(
        self, task_ids: Sequence[UUID], fault: Fault | None = None, project_id: int | None = None
    ) -> Any:
        self._note_foreign(task_ids, project_id)
        return self.perform(
            lambda: store.cancel(task_ids, self.now, project_id=project_id),
            lambda: self.model.cancel(task_ids, self.now, project_id),
            fault,
        )

    def delete(self, task_id: UUID, fault: Fault | None = None, project_id: int | None = None) -> Any:
        self._note_foreign([task_id], project_id)
        return self.perform(
            lambda: store.delete(task_id, project_id=project_id),
            lambda: self.model.delete(task_id, project_id),
            fault,
        )

    def retry(self, task_id: UUID, fault: Fault | None = None, project_id: int | None = None) -> UUID | None:
        """The id of the new task, if there is one, also where its answer was lost."""
        self._note_foreign([task_id], project_id)
        created: set[UUID] = set()

        def call() -> UUID | None:
            fresh = store.retry(task_id, self.now, project_id=project_id)
            return None if fresh is None else fresh.task_id

        def expect() -> UUID | None:
            created.update(snapshot.read().rows.keys() - self.model.rows.keys())
            return self.model.retry(task_id, next(iter(created), None), self.now, project_id)

        self.perform(call, expect, fault)
        return next(iter(created), None)

    def prune(self, status: Status, age: float, fault: Fault | None = None) -> Any:
        before = self.now - timedelta(seconds=age)
        return self.perform(
            lambda: store.prune(status, before), lambda: self.model.prune(status, before), fault
        )

    def promote(self, fault: Fault | None = None) -> Any:
        return self.perform(lambda: store.promote(self.now), lambda: self.model.promote(self.now), fault)

    def expire(self, fault: Fault | None = None) -> Any:
        return self.perform(lambda: store.expire(self.now), lambda: self.model.expire(self.now), fault)

    def rescue(self, meanwhile: Callable[[], Any] | None = None, fault: Fault | None = None) -> Any:
        """Rescue; `meanwhile` happens after the rescuer has looked and before it writes."""
        between = [meanwhile] if meanwhile else []

        def draw() -> float:
            if between:
                self.tally["meanwhile"] += 1
                between.pop()()
            return DRAW

        return self.perform(
            lambda: store.rescue(self.now, draw=draw), lambda: self.model.rescue(self.now, DRAW), fault
        )

    def come_to_quiet(self) -> None:
        """The faults are over: sweeps and an honest worker bring every task to its end."""
        for _ in range(5):
            self.advance(86_400)
            for sweep in (self.expire, self.promote, self.rescue):
                sweep()
            for queue in QUEUES:
                while claims := self.claim(queue, "honest", 100, 60.0, None):
                    self.finish([success(item) for item in claims])
        unfinished = [row for row in self.seen.rows.values() if row.status not in TERMINAL]
        if unfinished:
            raise Violated(f"never end: {unfinished}")

    def _look(self) -> None:
        real = snapshot.read()
        found = [*snapshot.violations(self.seen, real), *snapshot.differences(self.model, real)]
        if found:
            raise Violated("\n".join(found))
        self.tally.update(row.status.lower() for row in real.rows.values() if self._is_new(row))
        self.seen = copy_of(real)
        self.looked_at = self.now
        self.is_sound = True

    def _is_new(self, row: snapshot.Row) -> bool:
        return row.task_id not in self.seen.rows or self.seen.rows[row.task_id].status != row.status

    def _take(self, item: Claim) -> None:
        row = self.model.rows[item.task_id]
        if (item.task_id, item.fence) in self.claimed:
            raise Violated(f"two holders of {item.task_id} with fence {item.fence}")
        self.claimed.add((item.task_id, item.fence))
        taken = (json.loads(item.arguments_json), item.operation, item.queue)
        if taken != (row.arguments, row.operation, row.queue):
            raise Violated(f"{item} is not what was stored: {row}")
        left = None if row.expires_at is None else (row.expires_at - self.now).total_seconds()
        if (left is None) != (item.expires_in is None) or abs((left or 0) - (item.expires_in or 0)) > 0.002:
            raise Violated(f"{item.task_id} may start for {left} s more, not {item.expires_in}")

    def _note_foreign(self, task_ids: Sequence[UUID], project_id: int | None) -> None:
        rows = [self.model.rows[task_id] for task_id in task_ids if task_id in self.model.rows]
        self.tally["foreign"] += project_id is not None and any(row.project_id != project_id for row in rows)

    def _note_stale(self, claims: Sequence[Claim]) -> None:
        self.tally["stale write"] += sum(not self.model.holds(item) for item in claims)


def success(claim: Claim) -> Ending:
    """The ending of an attempt whose result names it."""
    result = {"fence": claim.fence}
    return Ending(claim=claim, outcome=Outcome.SUCCESS, status=Status.SUCCESS, result=result)
