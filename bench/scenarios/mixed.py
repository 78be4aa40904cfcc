"""Submitting, draining and ticking at once, each at half of what this machine can do, for a minute."""

import json
import threading
import time
from dataclasses import dataclass, field

from bench.client import Connection, Refused, post
from bench.contest import Contestant, Scenario, Values
from bench.figures import Target, percentile
from bench.processes import resident_mib, tree
from bench.scenarios import peers
from bench.scenarios.submit import BATCH_PATH, item, wait_for_web
from bench.stage import MOST_SECONDS, Stage

BATCH = 100
CALIBRATION_TASKS, CALIBRATION_SCHEDULES = 20_000, 3_000
HANDS = 6
SUBMIT, WAIT = "p99 submit ms", "p99 wait ms"
LAG_GROWTH, MEMORY_GROWTH, CONNECTIONS = "wait late / early", "MiB grown", "connections grown"
REQUEST = post(BATCH_PATH, json.dumps([item(n) for n in range(BATCH)]).encode())
LEFT = "SELECT count(*) FROM tasks_task WHERE status NOT IN ('SUCCESS', 'SCHEDULED')"
# Not the number of tasks: on a weekend, more than a day after the last working day, some schedules give none.
DUE = f"SELECT ({LEFT}) + (SELECT count(*) FROM schedules_taskschedule WHERE due_at <= now())"
WAITS = """
SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - greatest(run_at, created_at)))
FROM tasks_task WHERE created_at >= to_timestamp(%s) AND created_at < to_timestamp(%s) AND started_at IS NOT NULL
"""


@dataclass
class Pace:
    """Batches at a steady rate. A late one counts from the time at which it should have been sent."""

    port: int
    per_second: float
    seconds: float
    waits: list[float] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    _next: int = 0

    def run(self) -> None:
        """Send. Raises what a request has raised."""
        began, lock = time.monotonic(), threading.Lock()

        def hand() -> None:
            connection = Connection(self.port)
            while not self.errors:
                with lock:
                    due = began + self._next / self.per_second
                    self._next += 1
                if due > began + self.seconds:
                    break
                time.sleep(max(0.0, due - time.monotonic()))
                try:
                    connection.send(REQUEST)
                except (OSError, Refused) as error:
                    self.errors.append(error)
                self.waits.append((time.monotonic() - due) * 1000)
            connection.close()

        threads = [threading.Thread(target=hand) for _ in range(HANDS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]


def _ours(stage: Stage, scale: float) -> Values:
    part = min(scale, 1.0)
    seconds = max(6.0, (MOST_SECONDS - 5) * part)
    stage.fresh("ours", peers.prepare_ours)
    stage.start_all([peers.our_web(stage), *peers.ours("worker", "scheduler", "beat", workers=2)])
    wait_for_web(stage, REQUEST)
    _wait_until_finished(stage)
    tasks = _task_peak(stage, max(2_000, int(CALIBRATION_TASKS * part))) / 2
    ticks = _schedule_peak(stage, max(1_000, int(CALIBRATION_SCHEDULES * part))) / 2
    first = float(stage.ours("bench.ours.tick", "spread", int(ticks * seconds), seconds))
    time.sleep(max(0.0, first - time.time()))
    before, began = _state(stage), time.time()
    pace = Pace(stage.web_port, tasks / BATCH, seconds)
    pace.run()
    ended, after = time.time(), _state(stage)
    _wait_until_finished(stage)
    third = (ended - began) / 3
    early, late = _wait_p99(stage, began, began + third), _wait_p99(stage, ended - third, ended)
    return {
        "tasks/s": tasks,
        "schedules/s": ticks,
        SUBMIT: percentile(pace.waits, 0.99),
        WAIT: _wait_p99(stage, began, ended) * 1000,
        LAG_GROWTH: late / early if early else 0.0,
        MEMORY_GROWTH: after[0] - before[0],
        CONNECTIONS: after[1] - before[1],
    }


def _task_peak(stage: Stage, size: int) -> float:
    """Tasks per second from the first POST to the last result, everything running."""
    began = time.monotonic()
    connection = Connection(stage.web_port)
    for _ in range(size // BATCH):
        connection.send(REQUEST)
    connection.close()
    _wait_until_finished(stage)
    return size / (time.monotonic() - began)


def _schedule_peak(stage: Stage, size: int) -> float:
    """Schedules per second from their tick to their tasks' last result, everything running."""
    stage.freeze("scheduler")
    try:
        stage.ours("bench.ours.tick", "prepare", size)
    finally:
        stage.thaw("scheduler")
    began = time.monotonic()
    _wait_until_finished(stage, DUE)
    return size / (time.monotonic() - began)


def _wait_until_finished(stage: Stage, question: str = LEFT) -> None:
    with stage.postgres.session() as cursor:

        def is_over() -> bool:
            cursor.execute(question)
            return bool(cursor.fetchone()[0] == 0)

        stage.wait(is_over, "the tasks to end")


def _wait_p99(stage: Stage, began: float, ended: float) -> float:
    """Seconds between the time at which a task could begin and its begin."""
    with stage.postgres.session() as cursor:
        cursor.execute(WAITS, (began, ended))
        return float(cursor.fetchone()[0] or 0.0)


def _state(stage: Stage) -> tuple[float, float]:
    """The service's memory in MiB, and its connections to the database."""
    memory = sum(
        resident_mib(pid)
        for role in stage.roles.alive("web", "worker", "scheduler", "beat")
        for pid in tree(role.popen.pid)
    )
    with stage.postgres.session() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'scheduler_service'")
        return memory, float(cursor.fetchone()[0])


MIXED = Scenario(
    "mixed",
    (Contestant("ours", _ours),),
    (Target(SUBMIT, "<=", 200), Target(WAIT, "<=", 1000), Target(CONNECTIONS, "<=", 4)),
)
