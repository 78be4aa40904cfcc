"""Faults of the service itself, to prove that the checker finds them; and gates that hold it at a chosen point.

A process of the service gets them at its start, through its environment: CHAOS_MUTANT names one, CHAOS_GATES is
the folder of the gates. Without both nothing is patched. A mutant whose place has moved says so and stops the start.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

GATE_SECONDS = 30.0
"""A gate opens by itself after this time."""


class Gates:
    """Gates as files: the harness closes and opens them, processes of the service wait at them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def close(self, name: str) -> None:
        (self.folder / name).touch()

    def open(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def open_all(self) -> None:
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)

    def waiting(self, name: str) -> list[int]:
        """The processes that have come to this gate while it was closed."""
        return [int(path.suffix[1:]) for path in self.folder.glob(f"{name}.*")]

    def pass_(self, name: str) -> None:
        """Wait while it is closed."""
        if not (self.folder / name).exists():
            return
        (self.folder / f"{name}.{os.getpid()}").touch()
        deadline = time.monotonic() + GATE_SECONDS
        while (self.folder / name).exists() and time.monotonic() < deadline:
            time.sleep(0.01)


def install(environ: Mapping[str, str]) -> None:
    """Patch this process as its environment says."""
    if name := environ.get("CHAOS_MUTANT"):
        MUTANTS[name]()
    if folder := environ.get("CHAOS_GATES"):
        _install_gates(Gates(Path(folder)))


def _install_gates(gates: Gates) -> None:
    from django.db import transaction

    from schedules_app import sql as schedules_sql
    from tasks_app import sql, store

    recorded = schedules_sql.recorded

    def gated(finish: Any) -> Any:
        def gated_finish(given: Any, *rest: Any, **named: Any) -> Any:
            results = [item["result"] for item in given]
            if any(isinstance(result, dict) and result.get("gate") == "finish" for result in results):
                gates.pass_("finish")
            return finish(given, *rest, **named)

        return gated_finish

    def gated_commit(create: Any) -> Any:
        def gated_create(*given: Any, **named: Any) -> Any:
            with transaction.atomic():
                created = create(*given, **named)
                gates.pass_("commit")
            return created

        return gated_create

    def gated_recorded(*given: Any, **named: Any) -> Any:
        gates.pass_("tick")
        return recorded(*given, **named)

    sql.finish, sql.finish_and_claim = gated(sql.finish), gated(sql.finish_and_claim)
    store.create, store.create_alike = gated_commit(store.create), gated_commit(store.create_alike)
    schedules_sql.recorded = gated_recorded


def _without(module: Any, name: str, old: str, new: str = "") -> None:
    text = getattr(module, name)
    if old not in text:
        raise RuntimeError(f"{module.__name__}.{name} no longer holds {old!r}: the mutant has to follow it")
    setattr(module, name, text.replace(old, new))


def _no_fence() -> None:
    """A worker's ending is written whoever has claimed the task since."""
    from tasks_app import sql

    for words in (sql._POSTGRES, sql._SQLITE):
        if " AND t.fence = g.fence" not in words["mine"]:
            raise RuntimeError("the guard of finish has no fence to be left out: the mutant has to follow it")
        words["mine"] = words["mine"].replace(" AND t.fence = g.fence", "")


def _release_lowers_fence() -> None:
    """A release gives back the fence with the attempt."""
    from tasks_app import sql

    _without(sql, "_RELEASE", "attempt = t.attempt - 1,", "attempt = t.attempt - 1, fence = t.fence - 1,")


def _rescue_without_recheck() -> None:
    """A rescue takes what it saw as lost, whatever has become of the lease since."""
    from tasks_app import sql

    _without(sql, "_FINISH", " AND (g.outcome <> 'LOST' OR t.lease_expires_at < {now})")


def _ring_before_commit() -> None:
    """The queues of new tasks are rung before the tasks can be seen."""
    from tasks_app import doorbell, store

    def rung(create: Any, queues_of: Any) -> Any:
        def ring_and_create(new: Any, *rest: Any, **named: Any) -> Any:
            for queue in set(queues_of(new)):
                doorbell.ring(queue)
            return create(new, *rest, **named)

        return ring_and_create

    store.create = rung(store.create, lambda new: [item.queue for item in new])
    store.create_alike = rung(store.create_alike, lambda new: new.column("queue"))
    _replace(store, "_ring_after_commit", lambda queues: None)


def _no_sweeper() -> None:
    """Nobody rings again for what waits, or promotes it."""
    from tasks_app import store

    for name in ("ring_waiting", "promote"):
        _replace(store, name, lambda *given, **named: 0)


def _no_unique_occurrence() -> None:
    """Ticks do not see each other: no row lock, no look into the ledger, no guard; the test drops the constraint."""
    from django.db.models import QuerySet

    from schedules_app import sql

    lock = QuerySet.select_for_update

    def no_lock(rows: Any, *given: Any, **named: Any) -> Any:
        if rows.model.__name__ == "TaskSchedule":
            return rows.all()
        return lock(rows, *given, **named)

    _replace(QuerySet, "select_for_update", no_lock)
    _replace(sql, "recorded", lambda pairs: set())
    _without(sql, "_ADVANCE", "AND (t.next_run_at = g.old OR t.next_run_at IS NULL AND g.old IS NULL)")


def _replace(owner: Any, name: str, value: Any) -> None:
    if not hasattr(owner, name):
        raise RuntimeError(f"{owner.__name__} has no {name} any more: the mutant has to follow it")
    setattr(owner, name, value)


MUTANTS: dict[str, Callable[[], None]] = {
    "no fence": _no_fence,
    "release lowers the fence": _release_lowers_fence,
    "rescue without re-check": _rescue_without_recheck,
    "ring before commit": _ring_before_commit,
    "no sweeper": _no_sweeper,
    "no unique occurrence": _no_unique_occurrence,
}
