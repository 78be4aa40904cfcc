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
PEERS_LIMIT = 8.0
"""Their rate is that of the first seconds: what they have not reached until then is like what they have."""


def _ours(stage: Stage, size: int) -> Values:
    stage.fresh(f"schedules_due_{size}", lambda stage: _prepare(stage, size))
    stage.postgres.settle()
    answer = json.loads(stage.ours("bench.ours.tick", "fire", LIMIT))
    with stage.postgres.session() as cursor:
        cursor.execute("SELECT count(*) FROM tasks_task")
        if cursor.fetchone()[0] != answer["tasks"] or answer["tasks"] < answer["schedules"]:
            raise RuntimeError(f"not every schedule has given a task: {answer}")
    return _rate(answer)


def _prepare(stage: Stage, size: int) -> None:
    peers.prepare_ours(stage)
    stage.ours("bench.ours.tick", "prepare", size)


def _beat(stage: Stage, size: int) -> Values:
    stage.fresh(f"beat_{size}", lambda stage: _prepare_beat(stage, size))
    stage.postgres.settle()
    return _rate(json.loads(peers.peer(stage, BEAT, "fire", size, PEERS_LIMIT)))


def _prepare_beat(stage: Stage, size: int) -> None:
    peers.prepare_standard(stage)
    peers.peer(stage, BEAT, "prepare", size)


def _apscheduler(stage: Stage, size: int) -> Values:
    # Storing is one commit each; a tenth of the schedules, stored once, shows the same rate.
    size = min(size, 10_000)
    stage.fresh(f"apscheduler_{size}", lambda stage: peers.peer(stage, APSCHEDULER, "prepare", size))
    stage.postgres.settle()
    return _rate(json.loads(peers.peer(stage, APSCHEDULER, "fire", size, PEERS_LIMIT)))


def _django_q(stage: Stage, size: int) -> Values:
    # It fires in one transaction, however long that takes: 10,000 stay below the minute.
    size = min(size, 10_000)
    stage.fresh(f"django_q_{size}", lambda stage: _prepare_django_q(stage, size))
    stage.postgres.settle()
    return _rate(json.loads(peers.peer(stage, peers.DJANGO_Q, "fire", size, PEERS_LIMIT)))


def _prepare_django_q(stage: Stage, size: int) -> None:
    peers.peer(stage, peers.DJANGO_Q, "prepare")
    peers.peer(stage, peers.DJANGO_Q, "schedules", size)


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
