"""The faults: what each does to a cluster, and how it is healed."""

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
import redis

from launcher import pids
from tests.chaos.cluster import Cluster
from tests.chaos.roles import children, send

Heal = Callable[[], object]
Inject = Callable[[Cluster, random.Random], "Injection | None"]

AWAY = (psycopg2.Error, redis.RedisError, OSError, RuntimeError)


@dataclass
class Injection:
    """A fault that is under way; `heal` ends it after `seconds`."""

    detail: str
    seconds: float = 0.0
    heal: Heal = lambda: None
    killed: tuple[int, ...] = ()


def _victim(cluster: Cluster, draw: random.Random, *kinds: str) -> tuple[str, int] | None:
    alive = cluster.roles.alive(*kinds)
    if not alive:
        return None
    role = draw.choice(sorted(alive, key=lambda role: role.process.name))
    return role.process.name, role.popen.pid


def _child(cluster: Cluster, draw: random.Random) -> tuple[str, int] | None:
    victim = _victim(cluster, draw, "worker")
    found = children(victim[1]) if victim else []
    return (f"a child of {victim[0]}", draw.choice(found)) if victim and found else None


def kill(*kinds: str) -> Inject:
    """kill -9 of one process; the supervisor starts it again."""

    def inject(cluster: Cluster, draw: random.Random) -> Injection | None:
        victim = _victim(cluster, draw, *kinds)
        return _kill(*victim) if victim else None

    return inject


def kill_child(cluster: Cluster, draw: random.Random) -> Injection | None:
    """kill -9 of a worker's child, as the kernel does when memory runs out."""
    victim = _child(cluster, draw)
    return _kill(*victim) if victim else None


def _kill(name: str, pid: int) -> Injection:
    own = (pid, *children(pid))
    send(pid, signal.SIGKILL)
    return Injection(name, killed=own)


def freeze(*kinds: str) -> Inject:
    """SIGSTOP of one process, past the lease, then SIGCONT."""

    def inject(cluster: Cluster, draw: random.Random) -> Injection | None:
        victim = _victim(cluster, draw, *kinds)
        return _freeze(*victim, cluster.lease_seconds * draw.uniform(0.3, 1.4)) if victim else None

    return inject


def freeze_child(cluster: Cluster, draw: random.Random) -> Injection | None:
    """SIGSTOP of a worker's child past its lease: it will believe that it still holds its tasks."""
    victim = _child(cluster, draw)
    return _freeze(*victim, cluster.lease_seconds * draw.uniform(1.05, 1.5)) if victim else None


def _freeze(name: str, pid: int, seconds: float) -> Injection:
    identity = pids.identity(pid)
    send(pid, signal.SIGSTOP)

    def thaw() -> None:
        if pids.identity(pid) == identity:
            send(pid, signal.SIGCONT)

    return Injection(f"{name} for {seconds:.1f} s", seconds, thaw)


def roll(cluster: Cluster, draw: random.Random) -> Injection | None:
    """SIGTERM to one kind of process, all of it, as a deployment does."""
    kind = draw.choice(["web", "worker", "worker", "scheduler", "beat"])
    for role in cluster.roles.alive(kind):
        cluster.roles.terminate(role.process.name)
    return Injection(kind)


def flush_broker(cluster: Cluster, draw: random.Random) -> Injection | None:
    """Every message is lost."""
    cluster.broker.forget()
    return Injection("all messages")


def restart_broker(cluster: Cluster, draw: random.Random) -> Injection | None:
    """The broker is gone for some seconds: killed, and started again."""
    if cluster.broker.pid() is None:
        return None
    cluster.broker.stop()

    def start() -> None:
        try:
            cluster.broker.revive()
        finally:
            cluster.record_servers()

    return Injection(f"gone, and back {cluster.broker.returns}", draw.uniform(0.3, 5), start)


def freeze_broker(cluster: Cluster, draw: random.Random) -> Injection | None:
    """The broker takes connections and answers nothing."""
    pid = cluster.broker.pid()
    return _freeze("broker", pid, draw.uniform(1, 6)) if pid else None


def fill_broker(cluster: Cluster, draw: random.Random) -> Injection | None:
    """The broker's memory is full: reads work, writes are refused."""
    detail = cluster.broker.fill()
    return Injection(detail, draw.uniform(1, 6), cluster.broker.make_room) if detail else None


def restart_database(cluster: Cluster, draw: random.Random) -> Injection | None:
    """An immediate stop: no checkpoint, every connection cut, recovery at the start."""
    cluster.postgres.die_at_once()

    def start() -> None:
        cluster.postgres.start()
        cluster.record_servers()

    return Injection("immediate stop", draw.uniform(0.1, 3), start)


def terminate_backends(cluster: Cluster, draw: random.Random) -> Injection | None:
    """Some of the service's sessions are ended by the server."""
    with cluster.postgres.session() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'scheduler_service' ORDER BY pid"
        )
        sessions = [row[0] for row in cursor.fetchall()]
        chosen = draw.sample(sessions, min(len(sessions), draw.randint(1, 4)))
        cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [chosen])
    return Injection(f"{len(chosen)} sessions")


def lock_rows(cluster: Cluster, draw: random.Random) -> Injection | None:
    """A transaction that stays open and holds the locks of some unfinished tasks."""
    connection = cluster.postgres.connect(seconds=1)
    connection.autocommit = False
    cursor = connection.cursor()
    cursor.execute(
        "SELECT task_id FROM tasks_task WHERE finished_at IS NULL ORDER BY random() LIMIT %s FOR UPDATE SKIP LOCKED",
        [draw.randint(1, 50)],
    )
    return Injection(
        f"{cursor.rowcount} rows", draw.uniform(1, cluster.lease_seconds * 1.2), connection.close
    )


def fill_disk(cluster: Cluster, draw: random.Random) -> Injection | None:
    """The database's disk is full."""
    if not cluster.postgres.has_small_disk:
        return None
    cluster.postgres.fill_disk()
    return Injection("the database's", draw.uniform(1, 4), cluster.postgres.free_disk)


def network(which: str) -> Inject:
    """One misbehaviour of the proxy in front of the database or the broker."""

    def inject(cluster: Cluster, draw: random.Random) -> Injection | None:
        proxy = getattr(cluster, f"{which}_proxy")
        share = draw.uniform(0.2, 1)
        acts: dict[str, Callable[[], None]] = {
            "delays": lambda: proxy.delay(draw.uniform(0.02, 0.5)),
            "stalls": proxy.stall,
            "refuses": proxy.refuse,
            "drops": lambda: proxy.cut(share),
            "half-closes": lambda: proxy.half_close(share),
        }
        name = draw.choice(sorted(acts))
        acts[name]()
        return Injection(name, draw.uniform(0.5, 6), proxy.behave)

    return inject


def commits(verb: str) -> Inject:
    """Commits whose answers are swallowed, or that never arrive: their senders cannot tell the one from the other."""

    def inject(cluster: Cluster, draw: random.Random) -> Injection | None:
        proxy = cluster.database_proxy
        share = draw.uniform(0.1, 0.8)
        (proxy.swallow_commits if verb == "swallow" else proxy.lose_commits)(share)
        return Injection(f"{share:.0%} of them", draw.uniform(0.5, 5), proxy.behave)

    return inject


FAULTS: dict[str, Inject] = {
    "kill web": kill("web"),
    "kill worker": kill("worker"),
    "kill worker child": kill_child,
    "kill scheduler worker": kill("scheduler"),
    "kill beat": kill("beat"),
    "freeze web": freeze("web"),
    "freeze worker": freeze("worker"),
    "freeze worker child": freeze_child,
    "freeze scheduler worker": freeze("scheduler"),
    "freeze beat": freeze("beat"),
    "rolling restart": roll,
    "broker flushed": flush_broker,
    "broker restarted": restart_broker,
    "broker frozen": freeze_broker,
    "broker full": fill_broker,
    "broker's network": network("broker"),
    "database restarted": restart_database,
    "sessions terminated": terminate_backends,
    "rows locked": lock_rows,
    "disk full": fill_disk,
    "database's network": network("database"),
    "commit answers swallowed": commits("swallow"),
    "commits lost": commits("lose"),
}
