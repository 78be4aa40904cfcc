"""Schedules that are all due at once: fired by one process, to tasks with their rows in the ledger."""

import json
from collections.abc import Callable

from bench.contest import Contestant, Scenario, Values
from bench.figures import Target
from bench.scenarios import peers
from bench.stage import MOST_SECONDS, Stage

SIZES = (10_000, 100_000)
BEAT, APSCHEDULER = "bench.peers.standard.beat", "bench.peers.apscheduler_app"
UNIT = "schedules/s"
LIMIT = MOST_SECONDS - 10


def _ours(stage: Stage, size: int) -> Values:
    stage.fresh("ours", peers.prepare_ours)
    stage.ours("bench.ours.tick", "prepare", size)
    stage.postgres.settle()
    answer = json.loads(stage.ours("bench.ours.tick", "fire", LIMIT))
    with stage.postgres.session() as cursor:
        cursor.execute("SELECT count(*) FROM tasks_task")
        if cursor.fetchone()[0] != answer["tasks"] or answer["tasks"] < answer["schedules"]:
            raise RuntimeError(f"not every schedule has given a task: {answer}")
    return _rate(answer)


def _beat(stage: Stage, size: int) -> Values:
    stage.fresh("standard", peers.prepare_standard)
    peers.peer(stage, BEAT, "prepare", size)
    stage.postgres.settle()
    return _rate(json.loads(peers.peer(stage, BEAT, "fire", size, LIMIT)))


def _apscheduler(stage: Stage, size: int) -> Values:
    # Storing is one commit each; a tenth of the schedules, stored once, shows the same rate.
    size = min(size, 10_000)
    stage.fresh(f"apscheduler_{size}", lambda stage: peers.peer(stage, APSCHEDULER, "prepare", size))
    stage.postgres.settle()
    return _rate(json.loads(peers.peer(stage, APSCHEDULER, "fire", size, LIMIT)))


def _django_q(stage: Stage, size: int) -> Values:
    # It fires in one transaction, however long that takes: 10,000 stay below the minute.
    size = min(size, 10_000)
    stage.fresh("django_q", lambda stage: peers.peer(stage, peers.DJANGO_Q, "prepare"))
    peers.peer(stage, peers.DJANGO_Q, "schedules", size)
    stage.postgres.settle()
    return _rate(json.loads(peers.peer(stage, peers.DJANGO_Q, "fire", size, LIMIT)))


def _rate(answer: dict[str, float]) -> Values:
    return {UNIT: answer["schedules"] / answer["seconds"]}


def _scenario(size: int, against_beat: float) -> Scenario:
    def sized(measure: Callable[[Stage, int], Values]) -> Callable[[Stage, float], Values]:
        return lambda stage, scale: measure(stage, max(100, int(size * min(scale, 1))))

    return Scenario(
        f"tick-{size}",
        (
            Contestant("ours", sized(_ours)),
            Contestant("celery-beat", sized(_beat), "celery"),
            *(
                Contestant(name, sized(one), name, "10,000 schedules" if size > 10_000 else "")
                for name, one in (("apscheduler", _apscheduler), ("django-q2", _django_q))
            ),
        ),
        (
            Target(UNIT, ">=", 10_000),
            Target(UNIT, ">=", against_beat, "celery-beat"),
            Target(UNIT, ">=", 10, "apscheduler"),
        ),
    )


TICKS = tuple(_scenario(size, bound) for size, bound in zip(SIZES, (150, 1_400), strict=True))
