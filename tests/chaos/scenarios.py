"""One short story per mutant: it must break a promise with the mutant, and none without it."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from launcher.processes import Process
from tests.chaos import audit
from tests.chaos.cluster import Cluster
from tests.chaos.harness import history_of
from tests.chaos.history import Call, History, Outcome
from tests.chaos.mutants import Gates
from tests.chaos.roles import children, numbered, one, send
from tests.chaos.web import request

PATIENCE_SECONDS = 25.0
RING_SECONDS = 8.0
"""How long to wait for a task whose ring was lost: the sweeper comes every second, on a busy machine somewhat later."""


@dataclass
class Stage:
    """A cluster with a web process and a beat, on which a story is played by processes that may be mutants."""

    cluster: Cluster
    mutant: str | None
    calls: list[Call] = field(default_factory=list)
    cast: list[str] = field(default_factory=list)

    @property
    def gates(self) -> Gates:
        return Gates(self.cluster.folder / "gates")

    def play(self, story: Callable[["Stage"], object]) -> History:
        """Play it, and hand over what it left behind."""
        try:
            story(self)
            now = time.time()
            return replace(history_of(self.cluster, now, now), calls=self.calls)
        except BaseException:
            # What a story left unfinished must not reach into the next one.
            self._end([name for name in self.cluster.roles.roles if name not in ("web-1", "beat-1")])
            self.cast.clear()
            raise
        finally:
            self.gates.open_all()
            self.dismiss()

    def start(self, *processes: Process) -> None:
        """Start processes, mutated if they are to be, and wait until they have their children.

        Those without a mutant go on after the story, and the next one without a mutant finds them running.
        """
        roles = self.cluster.roles
        variables = {"CHAOS_GATES": str(self.gates.folder)} | (
            {"CHAOS_MUTANT": self.mutant} if self.mutant else {}
        )
        for process in processes:
            if process.name not in roles.roles:
                roles.start(process, **variables)
                self.cast.append(process.name)
        for process in processes:
            pid = roles.roles[process.name].popen.pid
            self.until(lambda pid=pid: children(pid), f"{process.name} to start", 60)  # type: ignore[misc]

    def without(self, *kinds: str) -> None:
        """End at once what runs of these kinds."""
        self._end([role.process.name for role in self.cluster.roles.alive(*kinds)])

    def dismiss(self) -> None:
        """End the mutants at once."""
        if self.mutant:
            self._end(self.cast)

    def _end(self, names: list[str]) -> None:
        for name in names:
            send(self.cluster.roles.roles[name].popen.pid, signal.SIGKILL)
        if names:
            self.cluster.roles.stop(*names)

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait, without starting anything again. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s for {what}; the logs are in {self.cluster.folder}")
            time.sleep(0.02)

    def submit(self, operation: str, *, port: int | None = None, **values: Any) -> str:
        """Create one task over HTTP; its id."""
        arguments = {"value": 1, **values}
        body = {"operation": operation, "arguments": arguments, "max_attempts": 5}
        return self.post([body], port=port)[0]

    def post(self, bodies: list[dict[str, Any]], port: int | None = None) -> list[str]:
        """Create tasks in one request; their ids."""
        answer = request(port or self.cluster.ports[0], "POST", "/tasks/batch-request/", bodies, timeout=60)
        if answer.outcome is not Outcome.OK:
            raise RuntimeError(f"the batch was not taken: {answer.status} {answer.body}")
        ids = tuple(task["task_id"] for task in answer.body["tasks"])
        facts: dict[str, Any] = {
            "begun": answer.begun,
            "ended": answer.ended,
            "outcome": answer.outcome,
            "status": answer.status,
        }
        self.calls.append(Call(kind="batch", task_ids=ids, items=len(ids), **facts))
        return list(ids)

    def row(self, task_id: str) -> dict[str, Any]:
        with self.cluster.postgres.session() as cursor:
            cursor.execute(
                "SELECT status, attempt FROM tasks_task WHERE task_id = %s",
                [task_id],
            )
            return dict(zip(("status", "attempt"), cursor.fetchone(), strict=True))

    def is_over(self, task_id: str) -> bool:
        return self.row(task_id)["status"] in ("SUCCESS", "ERROR", "CANCELLED", "EXPIRED")

    def wait_at_most(self, seconds: float, condition: Callable[[], object]) -> None:
        """Wait for what a sound service does; it is no error here if it does not: the checker judges."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not condition():
            time.sleep(0.05)


def stale_ending(stage: Stage) -> None:
    """A worker's ending comes after its lease is over and another attempt has begun."""
    stage.start(one("scheduler"), one("worker", workers=2))
    stage.gates.close("finish")
    task_id = stage.submit("chaos.held", seconds=2.0)
    stage.until(lambda: stage.gates.waiting("finish"), "the first attempt's ending")
    stage.until(lambda: stage.row(task_id)["attempt"] == 2, "the second attempt")
    stage.gates.open("finish")
    stage.until(lambda: stage.is_over(task_id), "the end")
    # The other attempt's ending comes too.
    stage.wait_at_most(3.0, lambda: stage.row(task_id)["attempt"] != 2)


def given_back(stage: Stage) -> None:
    """Tasks are claimed together with one that takes long, and given back."""
    stage.start(one("worker", workers=2))
    drowsy = {"operation": "chaos.drowsy", "arguments": {"value": 1, "seconds": 1.0}}
    quick = [{"operation": "chaos.quick", "arguments": {"value": number}} for number in range(6)]
    ids = stage.post([drowsy, *quick])
    stage.until(lambda: all(map(stage.is_over, ids)), "the end of all")


def renewed_at_the_last_moment(stage: Stage) -> None:
    """A lease that was over is renewed while a rescuer, who has seen it, waits for the row."""
    stage.start(one("scheduler"), one("worker", workers=2))
    task_id = stage.submit("chaos.slow", seconds=2.0)
    stage.until(lambda: runners(stage, task_id), "the first attempt")
    [pid] = runners(stage, task_id)
    with stopped(pid), row_lock(stage, task_id) as cursor:
        stage.until(lambda: rescuer_waits(stage), "the rescuer")
        # The heartbeat that was on its way all the time.
        cursor.execute(
            "UPDATE tasks_task SET lease_expires_at = clock_timestamp() + interval '3 s' WHERE task_id = %s",
            [task_id],
        )
    stage.until(lambda: stage.is_over(task_id), "the end")


def runners(stage: Stage, task_id: str) -> list[int]:
    """The processes that have begun this task, as its handler noted."""
    return [run.pid for run in audit.runs(stage.cluster.journal) if run.task_id == task_id]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """SIGSTOP, and SIGCONT at the end."""
    send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        send(pid, signal.SIGCONT)


@contextmanager
def row_lock(stage: Stage, task_id: str) -> Iterator[Any]:
    """A transaction that holds the task's row, and commits at the end."""
    connection = stage.cluster.postgres.connect()
    try:
        connection.autocommit = False
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM tasks_task WHERE task_id = %s FOR UPDATE", [task_id])
        yield cursor
        connection.commit()
    finally:
        connection.close()


def rescuer_waits(stage: Stage) -> bool:
    """Whether a session of the service waits for a row that it wants to end; heartbeats on their way are no rescue."""
    with stage.cluster.postgres.session() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND application_name = 'scheduler_service' AND query LIKE '%LOST%'"
        )
        return bool(cursor.fetchone()[0])


def slow_commit(stage: Stage) -> None:
    """Between writing a task and its commit some time goes by; nobody sweeps."""
    stage.without("scheduler")
    port = stage.cluster.ports[1]
    stage.start(replace(one("web", port=port), name="web-mutant"), one("worker", workers=2))
    stage.until(lambda: stage.cluster.answers(port), "the web process")
    stage.gates.close("commit")
    sender = threading.Thread(target=lambda: stage.submit("chaos.quick", port=port))
    sender.start()
    stage.until(lambda: stage.gates.waiting("commit"), "the task to be written")
    time.sleep(1.5)
    stage.gates.open("commit")
    sender.join()
    [task_id] = stage.calls[-1].task_ids
    stage.wait_at_most(RING_SECONDS, lambda: stage.is_over(task_id))


def lost_ring(stage: Stage) -> None:
    """The broker loses a ring before a worker has heard it."""
    stage.without("worker")
    stage.start(one("scheduler"))
    task_id = stage.submit("chaos.quick")
    stage.cluster.broker.forget()
    stage.start(one("worker", workers=2))
    stage.wait_at_most(RING_SECONDS, lambda: stage.is_over(task_id))


def two_ticks(stage: Stage) -> None:
    """Two ticks find the same schedule due at the same moment."""
    if stage.mutant:
        with stage.cluster.postgres.session() as cursor:
            cursor.execute("ALTER TABLE schedules_occurrence DROP CONSTRAINT occurrence_once")
    stage.without("scheduler")
    stage.start(*(numbered(one("scheduler"), number) for number in (1, 2)), one("worker", workers=2))
    stage.gates.close("tick")
    rule = {"name": "two ticks", "operation": "chaos.quick", "arguments": {"value": 1}, "every_x_hours": 1}
    start = datetime.now(UTC) + timedelta(seconds=0.2)
    answer = request(
        stage.cluster.ports[0], "POST", "/task-schedules/", {**rule, "starts_at": start.isoformat()}
    )
    if answer.outcome is not Outcome.OK:
        raise RuntimeError(f"the schedule was not taken: {answer.status} {answer.body}")
    stage.until(lambda: stage.gates.waiting("tick"), "the first tick")
    # The second comes within two seconds, unless the first one's locks keep it away.
    stage.wait_at_most(4.0, lambda: len(stage.gates.waiting("tick")) == 2)
    stage.gates.open("tick")
    stage.until(lambda: _fired(stage), "the occurrence")


def killed_worker(stage: Stage) -> float:
    """A worker is killed while it runs a task; seconds until the task is begun again."""
    stage.start(one("scheduler"), one("worker", workers=2))
    task_id = stage.submit("chaos.slow", seconds=1.0)
    stage.until(lambda: runners(stage, task_id), "the first attempt")
    name, killed_at = "worker", time.monotonic()
    for pid in [
        *children(stage.cluster.roles.roles[name].popen.pid),
        stage.cluster.roles.roles[name].popen.pid,
    ]:
        send(pid, signal.SIGKILL)
    stage.cluster.wait(lambda: len(runners(stage, task_id)) == 2, "the second attempt", 60)
    seconds = time.monotonic() - killed_at
    stage.until(lambda: stage.is_over(task_id), "the end")
    return seconds


def _fired(stage: Stage) -> bool:
    with stage.cluster.postgres.session() as cursor:
        cursor.execute("SELECT count(*), count(finished_at) FROM tasks_task")
        tasks, finished = cursor.fetchone()
        return tasks > 0 and tasks == finished


SCENARIOS: dict[str, tuple[Callable[[Stage], None], str]] = {
    "no sweeper": (lost_ring, "unfinished"),
    "no fence": (stale_ending, "stale_result"),
    "release lowers the fence": (given_back, "fence_fell"),
    "rescue without re-check": (renewed_at_the_last_moment, "taken_alive"),
    "no unique occurrence": (two_ticks, "occurrence_twice"),
    "ring before commit": (slow_commit, "unfinished"),
}
"""For each mutant: the story that shows it, and the kind of violation by which the checker catches it."""
