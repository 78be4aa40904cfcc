"""Resident memory of each role, at rest and after many tasks: submitted over HTTP and worked off."""

import json

from bench.client import Connection, post
from bench.contest import Contestant, Scenario, Values
from bench.figures import Target
from bench.processes import resident_mib, tree
from bench.scenarios import peers
from bench.scenarios.submit import BATCH, BATCH_PATH, item, wait_for_web
from bench.stage import MOST_SECONDS, Stage

TASKS = 100_000
ROLES = {"web": "web process", "worker": "worker child", "scheduler": "scheduler child", "beat": "beat"}
LEFT = "SELECT count(*) FROM tasks_task WHERE status <> 'SUCCESS'"
MOST_MIB = 120


def _ours(stage: Stage, scale: float) -> Values:
    stage.fresh("ours", peers.prepare_ours)
    stage.start_all([peers.our_web(stage), *peers.ours("worker", "scheduler", "beat", workers=2)])
    one = post("/tasks/", json.dumps(item(1)).encode())
    wait_for_web(stage, one)
    _wait_until_finished(stage)
    at_rest = _sizes(stage)
    request = post(BATCH_PATH, json.dumps([item(n) for n in range(BATCH)]).encode())
    connection = Connection(stage.web_port)
    for _ in range(max(1, int(TASKS * min(scale, 10)) // BATCH)):
        connection.send(request)
    connection.close()
    _wait_until_finished(stage)
    after = _sizes(stage)
    return {
        **{f"MiB {ROLES[name]} at rest": size for name, size in at_rest.items()},
        **{f"MiB {ROLES[name]} after": size for name, size in after.items()},
    }


def _wait_until_finished(stage: Stage) -> None:
    with stage.postgres.session() as cursor:

        def is_over() -> bool:
            cursor.execute(LEFT)
            return bool(cursor.fetchone()[0] == 0)

        stage.wait(is_over, "the tasks to end", MOST_SECONDS)


def _sizes(stage: Stage) -> Values:
    """The largest process of each role; of one with children, the largest child."""
    found = {}
    for name in ROLES:
        [role] = stage.roles.alive(name)
        leader, *rest = tree(role.popen.pid)
        found[name] = max(resident_mib(pid) for pid in rest or [leader])
    return found


MEMORY = Scenario(
    "memory",
    (Contestant("ours", _ours),),
    tuple(Target(f"MiB {ROLES[name]} after", "<=", MOST_MIB) for name in ("web", "worker")),
)
