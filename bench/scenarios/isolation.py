"""Quick tasks accepted behind a slow one: how much later they end for it, with two worker processes."""

import time

from bench.contest import Contestant, Scenario, Values
from bench.figures import Target
from bench.scenarios import drain, peers
from bench.stage import Stage

QUICK = 1_000
SLOW_SECONDS = 30
WITHOUT = "s without a slow one"
BEHIND, TAKEN_AS_QUICK = "s more behind a slow one", "s more behind one taken as quick"
OPERATION = "bench.add"
LEFT = f"SELECT EXISTS (SELECT FROM tasks_task WHERE operation = '{OPERATION}' AND finished_at IS NULL)"
RUNNING = "SELECT EXISTS (SELECT FROM tasks_task WHERE operation <> %s AND status = 'STARTED')"
END = f"SELECT extract(epoch FROM max(finished_at)) FROM tasks_task WHERE operation = '{OPERATION}'"


def _ours(stage: Stage, scale: float) -> Values:
    seconds = max(3, int(SLOW_SECONDS * min(scale, 1)))
    without = _seconds(stage)
    return {
        WITHOUT: without,
        BEHIND: _seconds(stage, "bench.sleep", seconds) - without,
        TAKEN_AS_QUICK: _seconds(stage, "bench.sleep_quick", seconds) - without,
    }


def _seconds(stage: Stage, slow: str | None = None, slow_seconds: int = 0) -> float:
    """From the workers' awakening to the end of the last quick task."""
    stage.fresh("ours", peers.prepare_ours)
    stage.start_all(peers.ours("worker", "scheduler", "beat", workers=2))
    with stage.postgres.session() as cursor:

        def is_over() -> bool:
            cursor.execute(LEFT)
            return not cursor.fetchone()[0]

        stage.ours("bench.ours.fill", drain.WARM, OPERATION)
        stage.wait(is_over, "the first tasks")
        stage.freeze()
        if slow:
            stage.ours("bench.ours.fill", 1, slow, slow_seconds)
        stage.ours("bench.ours.fill", QUICK, OPERATION)
        stage.postgres.settle()
        began = time.time()
        stage.thaw()
        stage.wait(is_over, "the quick tasks", slow_seconds + 10)
        cursor.execute(END)
        ended = float(cursor.fetchone()[0])
        cursor.execute(RUNNING, (OPERATION,))
        if slow and not cursor.fetchone()[0]:
            raise RuntimeError("the slow task did not run beside the quick ones")
    stage.clear()
    return ended - began


# What is promised: the wait for the running slice, some tenths of a second, and not for the slow one. A process that
# is busy with that is missing from the work, too.
ISOLATION = Scenario(
    "isolation",
    (Contestant("ours", _ours),),
    (Target(BEHIND, "<=", 0.5), Target(TAKEN_AS_QUICK, "<=", 0.8)),
)
