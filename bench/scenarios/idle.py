"""What the service costs while nothing is due: CPU of all its processes, PostgreSQL and Redis included."""

import time

from bench import multiply
from bench.client import get
from bench.contest import Contestant, Scenario, Values
from bench.figures import Target
from bench.processes import cpu_seconds
from bench.scenarios import peers
from bench.scenarios.submit import wait_for_web
from bench.stage import Stage

SECONDS = 20.0
SCHEDULES = 1_000_000
BEYOND = "% of a core beyond none"


def _ours(stage: Stage, scale: float) -> Values:
    size = max(100, int(SCHEDULES * min(scale, 1)))
    stage.fresh("ours", peers.prepare_ours)
    none = _cost(stage, scale)
    stage.fresh(f"schedules_{size}", lambda stage: _prepare(stage, size))
    many = _cost(stage, scale)
    return {"% of a core, no schedule": none, f"% of a core, {size:,} schedules": many, BEYOND: many - none}


def _prepare(stage: Stage, size: int) -> None:
    peers.prepare_ours(stage)
    stage.ours("bench.ours.tick", "prepare", 1)
    multiply.schedules(stage, size - 1)
    with stage.postgres.session() as cursor:
        cursor.execute(
            "UPDATE schedules_taskschedule SET next_run_at = next_run_at + interval '1 day', "
            "due_at = due_at + interval '1 day' WHERE next_run_at < now() + interval '1 hour'"
        )


def _cost(stage: Stage, scale: float) -> float:
    stage.start_all([peers.our_web(stage), *peers.ours("worker", "scheduler", "beat", workers=2)])
    wait_for_web(stage, get("/health/live"))
    stage.postgres.settle()
    time.sleep(3)  # what starting costs is not idleness
    servers = [popen.pid for popen in (stage.postgres.popen, stage.redis.popen) if popen is not None]
    pids = [*servers, *(role.popen.pid for role in stage.roles.roles.values())]
    began, before = time.monotonic(), cpu_seconds(pids)
    time.sleep(max(3.0, SECONDS * min(scale, 3)))
    share = (cpu_seconds(pids) - before) / (time.monotonic() - began) * 100
    stage.check_alive()
    stage.clear()
    return share


IDLE = Scenario("idle", (Contestant("ours", _ours),), (Target(BEYOND, "<", 1.0),))
