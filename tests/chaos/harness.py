"""One run: start everything, let clients and faults at it, wait for quiet, and hand over the history."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg2

from tests.chaos import audit
from tests.chaos.clients import Client
from tests.chaos.cluster import Cluster
from tests.chaos.history import History
from tests.chaos.injector import Injector

STEP_SECONDS = 0.05
QUIET_BEYOND_LEASE = 45.0
"""Most seconds of waiting for quiet, beyond the lease: longer than the checker's own limit for standing still."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run."""

    seconds: float
    seed: str
    rate: float = 12.0
    """Tasks per second."""
    clients: int = 4
    fault_gap: float = 2.0
    """Mean seconds between the beginnings of two faults."""


def run(cluster: Cluster, plan: Plan, say: Callable[[str], None] = lambda text: None) -> History:
    """Run the plan on an open cluster; the history of it. Raises TimeoutError if the service never works."""
    say("starting the service")
    cluster.start_service()
    clients = _clients(cluster, plan)
    injector = Injector(cluster, plan.seed, plan.fault_gap)
    for client in clients:
        client.start()
    say(f"injecting faults for {plan.seconds:g} s")
    try:
        _disturb(cluster, injector, plan.seconds)
    finally:
        injector.heal_all()
        for client in clients:
            client.stop()
    ended = time.time()
    say("faults are over; waiting for quiet")
    for client in clients:
        client.join(30)
        if client.error is not None:
            raise RuntimeError(f"{client.name} failed") from client.error
    quiet_at = _wait_for_quiet(cluster)
    say("judging")
    return replace_calls(history_of(cluster, ended, quiet_at), clients, injector)


def _clients(cluster: Cluster, plan: Plan) -> list[Client]:
    values = {"seed": plan.seed, "rate": plan.rate, "of": plan.clients, "lease": cluster.lease_seconds}
    return [Client(number, cluster.ports, **values) for number in range(1, plan.clients + 1)]  # type: ignore[arg-type]


def _disturb(cluster: Cluster, injector: Injector, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        injector.turn()
        cluster.supervise()
        time.sleep(STEP_SECONDS)


def _wait_for_quiet(cluster: Cluster) -> float:
    """Wait until nothing is left to do, for two looks a second apart; when that was, or when patience ended."""
    deadline = time.monotonic() + cluster.lease_seconds + QUIET_BEYOND_LEASE
    looks = 0
    while looks < 3 and time.monotonic() < deadline:
        looks = looks + 1 if _is_quiet(cluster) else 0
        pause = time.monotonic() + 1.0
        while time.monotonic() < pause:
            cluster.supervise()
            time.sleep(STEP_SECONDS)
    return time.time()


def _is_quiet(cluster: Cluster) -> bool:
    try:
        with cluster.postgres.session() as cursor:
            return audit.unfinished(cursor) == 0
    except psycopg2.Error:
        return False


def history_of(cluster: Cluster, faults_ended: float, quiet_at: float) -> History:
    """What tables and journals say; without calls and faults."""
    with cluster.postgres.session() as cursor:
        tables = audit.tables(cursor)
    return History(
        lease_seconds=cluster.lease_seconds,
        faults_ended=faults_ended,
        quiet_at=quiet_at,
        runs=audit.runs(cluster.journal),
        **tables,
    )


def replace_calls(history: History, clients: list[Client], injector: Injector) -> History:
    """The same with what clients and injector know."""
    calls = [call for client in clients for call in client.calls]
    return replace(history, calls=sorted(calls, key=lambda call: call.begun), faults=injector.faults)
