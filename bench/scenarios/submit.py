"""Tasks over HTTP until they are accepted durably: in batches of 1,000, and one by one. Nobody works them off."""

import json
from collections.abc import Callable

from bench.client import Load, post
from bench.contest import Contestant, Scenario, Values
from bench.figures import Target
from bench.scenarios import peers
from bench.stage import Stage

BATCH = 1000
SECONDS = 6.0
CONNECTIONS = 4
PATH, BATCH_PATH = "/tasks/", "/tasks/batch-request/"
ITEMS, REQUESTS = "tasks/s", "requests/s"
Start = Callable[[Stage], None]


def item(number: int) -> dict[str, object]:
    return {"operation": "bench.add", "arguments": {"x": number, "y": 1}, "priority": number % 10}


def start_ours(stage: Stage) -> None:
    stage.fresh("ours", peers.prepare_ours)
    stage.start_all([peers.our_web(stage)])


def start_standard(stage: Stage, **variables: str) -> None:
    stage.fresh("standard", peers.prepare_standard)
    stage.start("web", peers.standard_web(stage), **peers.STANDARD_SETTINGS, **variables)


def _start_unkept(stage: Stage) -> None:
    start_standard(stage, BENCH_CONN_MAX_AGE="0")


def _batches(start: Start) -> Callable[[Stage, float], Values]:
    requests = [post(BATCH_PATH, json.dumps([item(n) for n in range(BATCH)]).encode())]

    def measure(stage: Stage, scale: float) -> Values:
        start(stage)
        return {ITEMS: BATCH * _load(stage, requests, scale)}

    return measure


def _singles(start: Start) -> Callable[[Stage, float], Values]:
    requests = [post(PATH, json.dumps(item(n)).encode()) for n in range(100)]

    def measure(stage: Stage, scale: float) -> Values:
        start(stage)
        return {REQUESTS: _load(stage, requests, scale)}

    return measure


def wait_for_web(stage: Stage, request: bytes) -> None:
    """Wait until both processes have answered: the first answer of each imports what the later ones use."""

    def answers() -> bool:
        try:
            Load(stage.web_port, lambda *_: request, 8).run(0.3)
        except OSError:
            return False
        return True

    stage.wait(answers, "the web processes")


def _load(stage: Stage, requests: list[bytes], scale: float) -> float:
    wait_for_web(stage, requests[0])
    stage.postgres.settle()
    load = Load(stage.web_port, lambda _, count: requests[count % len(requests)], CONNECTIONS)
    return load.run(SECONDS * min(scale, 8))


def _delay(stage: Stage, scale: float) -> Values:
    stage.fresh("standard", peers.prepare_standard)
    return {REQUESTS: float(peers.peer(stage, peers.TOOL, "delay", SECONDS * min(scale, 8)))}


def _script(script: str) -> Callable[[Stage, float], Values]:
    def measure(stage: Stage, scale: float) -> Values:
        stage.fresh(script.partition(".")[0] + "_submit", lambda stage: peers.node(stage, script, "prepare"))
        stage.postgres.settle()
        return {ITEMS: float(peers.node(stage, script, "submit", SECONDS * min(scale, 8)))}

    return measure


SUBMIT = Scenario(
    "submit",
    (
        Contestant("ours", _batches(start_ours)),
        Contestant("orm-way", _batches(start_standard), "celery"),
        Contestant("graphile-worker", _script("graphile.cjs"), "graphile-worker"),
        Contestant("pg-boss", _script("pgboss.cjs"), "pg-boss"),
    ),
    (
        Target(ITEMS, ">=", 25, "orm-way"),
        Target(ITEMS, ">=", 1.5, "graphile-worker"),
        Target(ITEMS, ">=", 1.5, "pg-boss"),
    ),
)
SUBMIT_ONE = Scenario(
    "submit-one",
    (
        Contestant("ours", _singles(start_ours)),
        Contestant("orm-way", _singles(_start_unkept), "celery"),
        Contestant("orm-way-kept", _singles(start_standard), "celery"),
        Contestant("celery-delay", _delay, "celery"),
    ),
    (Target(REQUESTS, ">=", 10, "orm-way"), Target(REQUESTS, ">=", 0.5, "celery-delay")),
)
