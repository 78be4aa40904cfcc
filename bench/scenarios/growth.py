"""The same verbs with few and with millions of finished tasks in the table."""

import json
import time
from collections.abc import Callable
from functools import partial

from bench import multiply
from bench.client import Connection, get
from bench.contest import Contestant, Scenario, Values
from bench.figures import Target, percentile
from bench.scenarios import drain, peers
from bench.scenarios.submit import wait_for_web
from bench.stage import Stage

FEW = 1_000
"""What stands for an empty table: a list's page is full, and a detail can be read."""
SIZES = (1_000_000, 10_000_000)
TASKS = 20_000
SCHEDULES = 3_000
REQUESTS = 200
CLAIM, TICK, LIST, DETAIL = "claim tasks/s", "tick schedules/s", "list page ms", "detail ms"
BOUND = 1.2


def _measure(finished: int, stage: Stage, scale: float) -> Values:
    finished = max(FEW, int(finished * min(scale, 1)))
    template, prepare = f"finished_{finished}", partial(_prepare, finished)
    part = min(scale, 1)
    stage.fresh(template, prepare)
    reads = _reads(stage)
    stage.clear()
    stage.fresh(template, prepare)
    stage.ours("bench.ours.tick", "prepare", max(100, int(SCHEDULES * part)))
    stage.postgres.settle()
    ticked = json.loads(stage.ours("bench.ours.tick", "fire", 50))
    _tidy(stage)
    peer = drain.ours("bench.add", max(500, int(TASKS * part)), template=template, prepare=prepare)
    claimed = drain.run(stage, peer, peer.size)[drain.UNIT]
    return {CLAIM: claimed, TICK: ticked["schedules"] / ticked["seconds"], **reads}


def _tidy(stage: Stage) -> None:
    """Remove what the tick has left: a large database is lent to the next round as it is."""
    with stage.postgres.session() as cursor:
        cursor.execute("TRUNCATE schedules_taskschedule CASCADE")
        cursor.execute("DELETE FROM tasks_task WHERE status = 'PENDING'")


def _prepare(finished: int, stage: Stage) -> None:
    peers.prepare_ours(stage)
    stage.start_all(peers.ours("worker", "scheduler", "beat", workers=2))
    stage.ours("bench.ours.fill", 1, "bench.add")
    with stage.postgres.session() as cursor:

        def is_finished() -> bool:
            cursor.execute(drain.OUR_COUNT)
            return bool(cursor.fetchone()[0])

        stage.wait(is_finished, "a finished task")
    stage.clear()
    multiply.finished_tasks(stage, finished - 1)


def _reads(stage: Stage) -> Values:
    with stage.postgres.session() as cursor:
        cursor.execute("SELECT task_id FROM tasks_task ORDER BY task_id DESC LIMIT 1")
        task_id = cursor.fetchone()[0]
    stage.start_all([peers.our_web(stage)])
    wait_for_web(stage, get("/health/live"))
    stage.postgres.settle()
    page = get("/tasks/?page_size=50&status=SUCCESS")
    return {LIST: _time(stage, page), DETAIL: _time(stage, get(f"/tasks/{task_id}/"))}


def _time(stage: Stage, request: bytes) -> float:
    """The median, in milliseconds, over a kept connection."""
    connection, taken = Connection(stage.web_port), []
    for _ in range(REQUESTS):
        began = time.monotonic()
        connection.send(request)
        taken.append((time.monotonic() - began) * 1000)
    connection.close()
    return percentile(taken, 0.5)


def _sized(finished: int) -> Callable[[Stage, float], Values]:
    return partial(_measure, finished)


GROWTH = Scenario(
    "growth",
    (
        Contestant("ours", _sized(FEW), note="1,000 finished"),
        *(Contestant(f"ours, {size:,} finished", _sized(size)) for size in SIZES),
    ),
    tuple(
        target
        for size in SIZES
        for target in (
            *(Target(unit, "<=", BOUND, f"ours, {size:,} finished") for unit in (CLAIM, TICK)),
            *(Target(unit, ">=", 1 / BOUND, f"ours, {size:,} finished") for unit in (LIST, DETAIL)),
        )
    ),
)
