"""Idle pick-up: from the answer to a submission until the handler has begun, one task at a time."""

import json
import time
from collections.abc import Callable

import redis

from bench.client import Connection, post
from bench.contest import Contestant, Scenario, Values
from bench.figures import Target, percentile
from bench.scenarios import peers
from bench.scenarios.submit import PATH, start_standard, wait_for_web
from bench.stage import Stage

SAMPLES = 200
WARM = 10
PAUSE = 0.02
"""Seconds between the end of one and the next, not a divisor of anybody's polling interval."""
LOST_SECONDS = 10
P50, P99 = "p50 ms", "p99 ms"
STAMP = post(PATH, json.dumps({"operation": "bench.stamp", "arguments": {}}).encode())


def _ours(stage: Stage, scale: float) -> Values:
    stage.fresh("ours", peers.prepare_ours)
    stage.start_all([peers.our_web(stage), *peers.ours("worker", "scheduler", "beat", workers=2)])
    return _over_http(stage, scale)


def _orm_way(stage: Stage, scale: float) -> Values:
    start_standard(stage)
    stage.start("worker-1", peers.standard_worker(stage), **peers.STANDARD_SETTINGS)
    return _over_http(stage, scale)


def _over_http(stage: Stage, scale: float) -> Values:
    wait_for_web(stage, STAMP)
    connection = Connection(stage.web_port)
    with redis.Redis(unix_socket_path=stage.redis.address(), socket_timeout=LOST_SECONDS + 1) as client:
        # What the warming has left is worked off when none has come for a while.
        while client.blpop("stamps", 1):
            pass
        waits = [_one(connection, client) for _ in range(_number(scale))]
    connection.close()
    return _summary(waits)


def _one(connection: Connection, client: redis.Redis) -> tuple[float, float]:
    """Milliseconds from sending, and from the answer, until the handler began."""
    called = time.time()
    connection.send(STAMP)
    answered = time.time()
    found = client.blpop("stamps", LOST_SECONDS)
    if found is None:
        raise RuntimeError(f"a task had not begun after {LOST_SECONDS} s")
    time.sleep(PAUSE)
    began = float(found[1])
    return (began - called) * 1000, (began - answered) * 1000


def _celery(results: str) -> Callable[[Stage, float], Values]:
    def measure(stage: Stage, scale: float) -> Values:
        stage.fresh("standard", peers.prepare_standard)
        settings = {**peers.STANDARD_SETTINGS, "BENCH_RESULTS": results}
        stage.start("worker-1", peers.standard_worker(stage), **settings)
        said = peers.peer(stage, peers.TOOL, "latency", _number(scale), PAUSE, BENCH_RESULTS=results)
        lines = [line.split() for line in said.splitlines()]
        return _summary([(float(called), float(answered)) for called, answered in lines])

    return measure


def _number(scale: float) -> int:
    return WARM + max(20, int(SAMPLES * min(scale, 10)))


def _summary(waits: list[tuple[float, float]]) -> Values:
    called, answered = zip(*waits[WARM:], strict=True)
    return {
        P50: percentile(answered, 0.5),
        P99: percentile(answered, 0.99),
        f"{P50} from the call": percentile(called, 0.5),
        f"{P99} from the call": percentile(called, 0.99),
    }


LATENCY = Scenario(
    "latency",
    (
        Contestant("ours", _ours),
        Contestant("orm-way", _orm_way, "celery"),
        Contestant("celery-results", _celery("1"), "celery"),
        Contestant("celery-without-results", _celery("0"), "celery"),
    ),
    tuple(
        Target(unit, "<=", bound, who)
        for unit in (P50, P99)
        for who, bound in (("celery-results", 0.6), ("celery-without-results", 1.2))
    ),
)
