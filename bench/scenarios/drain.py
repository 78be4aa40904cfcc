"""Trivial tasks, accepted beforehand, to durable results, with two worker processes."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from bench.contest import Contestant, Scenario, Values
from bench.figures import Target
from bench.scenarios import floor, peers
from bench.stage import MOST_SECONDS, Stage

WARM = 50
REST = 0.3
"""Seconds after which a warm worker is idle: one that is stopped inside SQLite's one write transaction locks it."""
UNIT = "tasks/s"
OUR_COUNT = "SELECT count(*) FROM tasks_task WHERE status = 'SUCCESS'"
# The partial indexes of waiting and running tasks are empty at the end: asking costs nothing.
OUR_END = (
    "SELECT NOT EXISTS (SELECT FROM tasks_task WHERE status = 'PENDING') "
    "AND NOT EXISTS (SELECT FROM tasks_task WHERE status = 'STARTED')"
)
RESULTS = "SELECT count(*) FROM django_celery_results_taskresult WHERE status = 'SUCCESS'"
PROCRASTINATE = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"


@dataclass(frozen=True)
class Peer:
    """How one of them is drained.

    Attributes:
        template: the name of its prepared database.
        size: how many tasks at scale 1; some seconds' worth.
        finished: SQL for how many have ended well since the beginning.
        is_over: SQL for whether none is left, where counting would cost; else `finished` is asked.
        session: a cursor for both.
    """

    template: str
    size: int
    prepare: Callable[[Stage], object]
    start: Callable[[Stage], None]
    fill: Callable[[Stage, int], object]
    finished: str
    is_over: str | None = None
    session: Callable[[Stage], AbstractContextManager[Any]] = lambda stage: stage.postgres.session()


def measure(peer: Peer) -> Callable[[Stage, float], Values]:
    """The measurement of one contestant."""
    return lambda stage, scale: run(stage, peer, max(100, int(peer.size * scale)))


def run(stage: Stage, peer: Peer, size: int) -> Values:
    """Drain `size` tasks."""
    stage.fresh(peer.template, peer.prepare)
    peer.start(stage)
    with peer.session(stage) as cursor:

        def ask(sql: str) -> int:
            cursor.execute(sql)
            return int(cursor.fetchone()[0])

        # A few first: every process is up, connected, and has imported what it needs.
        ready = ask(peer.finished) + WARM
        peer.fill(stage, WARM)
        stage.wait(lambda: ask(peer.finished) >= ready, "the first tasks")
        time.sleep(REST)
        stage.freeze()
        peer.fill(stage, size)
        stage.postgres.settle()
        before = ask(peer.finished)
        began = time.monotonic()
        stage.thaw()
        is_over = _wait(stage, peer, before + size, ask, began)
        seconds = time.monotonic() - began
        finished = ask(peer.finished) - before
    if is_over and finished < size:
        raise RuntimeError(f"{size - finished} of {size} tasks did not end well")
    return {UNIT: finished / seconds}


def _wait(stage: Stage, peer: Peer, wanted: int, ask: Callable[[str], int], began: float) -> bool:
    """Wait for the end, or for the time to be up (False)."""
    while (elapsed := time.monotonic() - began) < MOST_SECONDS:
        if ask(peer.is_over) if peer.is_over else ask(peer.finished) >= wanted:
            return True
        stage.check_alive()
        # Asking takes a core's time from the contestants; one per cent of precision is enough.
        time.sleep(min(0.5, max(0.01, elapsed / 100)))
    return False


def _start_ours(stage: Stage, flower: bool, variables: dict[str, str]) -> None:
    names = ("worker", "scheduler", "beat", *(["flower"] if flower else []))
    stage.start_all(peers.ours(*names, workers=2, flower_port=stage.web_port), **variables)


def ours(
    operation: str,
    size: int,
    *,
    template: str = "ours",
    prepare: Callable[[Stage], object] = peers.prepare_ours,
    flower: bool = False,
    **variables: str,
) -> Peer:
    """The service; `variables` are of its environment."""
    return Peer(
        template,
        size,
        prepare,
        lambda stage: _start_ours(stage, flower, variables),
        lambda stage, number: stage.ours("bench.ours.fill", number, operation),
        OUR_COUNT,
        OUR_END,
    )


SQLITE_NAME = "bench.sqlite3"


def _on_sqlite(stage: Stage) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{stage.folder / SQLITE_NAME}"}


def _fresh_sqlite(stage: Stage) -> None:
    for path in stage.folder.glob(f"{SQLITE_NAME}*"):
        path.unlink()
    peers.prepare_ours(stage, **_on_sqlite(stage))


def _start_on_sqlite(stage: Stage) -> None:
    _fresh_sqlite(stage)
    _start_ours(stage, False, _on_sqlite(stage))


@contextmanager
def _sqlite_session(stage: Stage) -> Iterator[sqlite3.Cursor]:
    with closing(sqlite3.connect(stage.folder / SQLITE_NAME, isolation_level=None, timeout=20)) as connection:
        yield connection.cursor()


ON_SQLITE = Peer(
    "empty",
    5_000,
    lambda _: None,
    _start_on_sqlite,
    lambda stage, number: stage.ours("bench.ours.fill", number, "bench.add", **_on_sqlite(stage)),
    OUR_COUNT,
    "SELECT NOT EXISTS (SELECT 1 FROM tasks_task WHERE status IN ('PENDING', 'STARTED'))",
    _sqlite_session,
)


def _start_standard(stage: Stage) -> None:
    stage.start("worker-1", peers.standard_worker(stage), **peers.STANDARD_SETTINGS)


STANDARD = Peer(
    "standard",
    2_000,
    peers.prepare_standard,
    _start_standard,
    lambda stage, number: peers.peer(stage, peers.TOOL, "fill", number),
    RESULTS,
)


def _start_django_q(stage: Stage) -> None:
    options = ("-m", "django", "qcluster")
    settings = {"DJANGO_SETTINGS_MODULE": "bench.peers.djangoq_settings", "PYTHONPATH": "."}
    stage.start("worker-1", (str(stage.peers.python), *options), **settings)


DJANGO_Q = Peer(
    "django_q",
    2_000,
    lambda stage: peers.peer(stage, peers.DJANGO_Q, "prepare"),
    _start_django_q,
    lambda stage, number: peers.peer(stage, peers.DJANGO_Q, "fill", number),
    "SELECT count(*) FROM django_q_task WHERE success",
)


def _start_procrastinate(stage: Stage) -> None:
    for name in ("worker-1", "worker-2"):
        options = ("--app", f"{peers.PROCRASTINATE}.app", "--log-level", "warning")
        command = (str(stage.peers.python), "-m", "procrastinate", *options, "worker", "-c", "10")
        stage.start(name, command, PYTHONPATH=".")


DEFERRED = Peer(
    "procrastinate",
    2_000,
    lambda stage: peers.peer(stage, peers.PROCRASTINATE, "prepare"),
    _start_procrastinate,
    lambda stage, number: peers.peer(stage, peers.PROCRASTINATE, "fill", number),
    PROCRASTINATE,
)


def _start_pgqueuer(stage: Stage) -> None:
    for name in ("worker-1", "worker-2"):
        stage.start(name, (str(stage.peers.python), "-m", peers.PGQUEUER, "work"))


QUEUED = Peer(
    "pgqueuer",
    80_000,
    lambda stage: peers.peer(stage, peers.PGQUEUER, "prepare"),
    _start_pgqueuer,
    lambda stage, number: peers.peer(stage, peers.PGQUEUER, "fill", number),
    "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'",
)


def _start_pgboss(stage: Stage) -> None:
    for name in ("worker-1", "worker-2"):
        stage.start(name, (peers.node_path(), peers.script_path("pgboss.cjs"), "work"))


BOSSED = Peer(
    "pgboss",
    80_000,
    lambda stage: peers.node(stage, "pgboss.cjs", "prepare"),
    _start_pgboss,
    lambda stage, number: peers.node(stage, "pgboss.cjs", "fill", number),
    "SELECT count(*) FROM pgboss.job WHERE name = 'add' AND state = 'completed'",
)


def _graphile(size: int, kind: str) -> Peer:
    def start(stage: Stage) -> None:
        for name in ("worker-1", "worker-2"):
            stage.start(name, (peers.node_path(), peers.script_path("graphile.cjs"), "work", kind))

    def fill(stage: Stage, number: int) -> None:
        peers.node(stage, "graphile.cjs", "fill", number)
        with stage.postgres.session() as cursor:
            cursor.execute(f"INSERT INTO bench_accepted VALUES ({number})")

    def prepare(stage: Stage) -> None:
        peers.node(stage, "graphile.cjs", "prepare")
        with stage.postgres.session() as cursor:
            # It deletes what has ended well: what is gone of what was accepted, counts.
            cursor.execute("CREATE TABLE bench_accepted (number int)")

    left = "SELECT count(*) FROM graphile_worker._private_jobs"
    return Peer(
        "graphile",
        size,
        prepare,
        start,
        fill,
        f"SELECT coalesce(sum(number), 0) - ({left}) FROM bench_accepted",
        "SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs)",
    )


CELERY = Contestant("celery-results", measure(STANDARD), "celery")

DRAIN = Scenario(
    "drain",
    (
        Contestant("ours", measure(ours("bench.add", 100_000))),
        Contestant("ours, events off", measure(ours("bench.add", 100_000, TASK_EVENTS="false"))),
        Contestant("ours, SQLite", measure(ON_SQLITE)),
        Contestant("ours, Flower on", measure(ours("bench.add", 100_000, flower=True))),
        CELERY,
        Contestant("django-q2", measure(DJANGO_Q), "django-q2"),
        Contestant("procrastinate", measure(DEFERRED), "procrastinate"),
        Contestant("pg-boss", measure(BOSSED), "pg-boss"),
        Contestant("pgqueuer", measure(QUEUED), "pgqueuer"),
        Contestant("graphile-worker", measure(_graphile(10_000, "default")), "graphile-worker"),
        Contestant("graphile-worker-local-queue", measure(_graphile(150_000, "local")), "graphile-worker"),
        Contestant("pgbench-floor", floor.measure),
    ),
    (
        Target(UNIT, ">=", 100, "celery-results"),
        Target(UNIT, ">=", 1.3, "graphile-worker-local-queue"),
        Target(UNIT, ">=", 2, "pgqueuer"),
    ),
)
DRAIN_ALONE = Scenario(
    "drain-one",
    (
        Contestant("ours", measure(ours("bench.add_alone", 10_000))),
        CELERY,
        Contestant("django-q2", measure(DJANGO_Q), "django-q2"),
        Contestant("procrastinate", measure(DEFERRED), "procrastinate"),
    ),
    (Target(UNIT, ">=", 4, "celery-results"), Target(UNIT, ">=", 2, "procrastinate")),
)
