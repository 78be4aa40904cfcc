"""Stores with one promise broken each, on purpose: the machine must see every one of them.

A mutant that is a text replaces a part of a statement in `sql`; one that is a function replaces a verb of `store`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from django.db.models import QuerySet

from tasks_app import sql, store, withdrawal
from tasks_app.lifecycle import TERMINAL, WAITING, Status
from tasks_app.models import Attempt, Task
from tasks_app.records import NewTask

HELD = "{mine}"
HELD_BY_ANYBODY = "t.task_id = g.task_id AND t.status = 'STARTED'"

Edit = tuple[str, str, str]
"""A statement of `sql`, a part of it, and what stands there instead."""

EDITS: dict[str, Edit] = {
    "finish does not ask for the fence": ("_FINISH", HELD, HELD_BY_ANYBODY),
    "release does not ask for the fence": ("_RELEASE", HELD, HELD_BY_ANYBODY),
    "heartbeat does not ask for the fence": ("_HEARTBEAT", HELD, HELD_BY_ANYBODY),
    "release lowers the fence": ("_RELEASE", "worker = ''", "worker = '', fence = t.fence - 1"),
    "release does not give the attempt back": ("_RELEASE", "attempt = t.attempt - 1,", ""),
    "release forgets a cancellation": (
        "_RELEASE",
        "status = CASE WHEN t.cancel_requested_at IS NULL THEN 'PENDING' ELSE 'CANCELLED' END",
        "status = 'PENDING'",
    ),
    "rescue does not look at the lease again": (
        "_FINISH",
        "AND (g.outcome <> 'LOST' OR t.lease_expires_at < {now})",
        "",
    ),
    "rescue does not count crashes": ("_FINISH", "WHEN g.outcome = 'LOST' THEN 1", "WHEN false THEN 1"),
    "finish retries what was cancelled": ("_FINISH", "status = {next_status}", "status = g.status"),
    "rescue fails what was cancelled since it looked": (
        "_FINISH",
        "status = {next_status}",
        "status = CASE WHEN g.status = 'RETRY' THEN {next_status} ELSE g.status END",
    ),
    "finish records no attempt": ("_ATTEMPT", "AS t", "AS t WHERE t.task_id <> t.task_id"),
    "claim takes what has expired": ("_CLAIM", "expires_at > {now}", "expires_at IS NOT NULL"),
    "claim does not heed priorities": (
        "_CLAIM",
        "ORDER BY queue, priority, run_at",
        "ORDER BY queue, run_at",
    ),
    "claim takes slow tasks along": ("_CLAIM", "{is_quick}", "true"),
    "claim does not raise the fence": (
        "_CLAIM",
        "fence = fence + 1",
        "fence = CASE WHEN fence = 0 THEN 1 ELSE fence END",
    ),
}


def promote_early(now: datetime, limit: int = 1000) -> int:
    """Does not wait for run_at."""
    return Task.objects.filter(status__in=[Status.SCHEDULED, Status.RETRY]).update(status=Status.PENDING)


def prune_in_two_commits(status: Status, before: datetime, limit: int = 1000) -> int:
    """A crash in between leaves attempts without a task."""
    old = Task.objects.filter(status=status, finished_at__lt=before)
    ids = list(old.values_list("task_id", flat=True))
    Task.objects.filter(task_id__in=ids).delete()
    Attempt.objects.filter(task_id__in=ids).delete()
    return len(ids)


def create_one_by_one(new: Sequence[NewTask], now: datetime) -> list[Task]:
    """A crash in between leaves a part of the batch."""
    return [task for item in new for task in genuine["create"]([item], now)]


def cancel_in_two_commits(
    task_ids: Sequence[Any], now: datetime, *, project_id: int | None = None
) -> set[Any]:
    """Says first that it was asked, and ends the task later."""
    own = {} if project_id is None else {"project_id": project_id}
    chosen = Task.objects.filter(task_id__in=list(task_ids), cancel_requested_at=None, **own)
    ids = set(chosen.exclude(status__in=TERMINAL).values_list("task_id", flat=True))
    Task.objects.filter(task_id__in=ids).update(cancel_requested_at=now)
    waiting = Task.objects.filter(task_id__in=ids, status__in=WAITING)
    waiting.update(status=Status.CANCELLED, finished_at=now)
    return ids


def delete_what_has_begun(task_id: Any, *, project_id: int | None = None) -> bool:
    """Only terminal tasks are safe from it."""
    own = {} if project_id is None else {"project_id": project_id}
    return Task.objects.filter(task_id=task_id, **own).exclude(status__in=TERMINAL).delete()[0] == 1


def of_any_project(project_id: int | None) -> QuerySet[Task]:
    """All that asks for one project's tasks gets those of all."""
    return Task.objects.all()


def retry_for_the_default_project(
    task_id: Any, now: datetime, *, project_id: int | None = None
) -> Task | None:
    """The new task forgets whose the old one is."""
    fresh: Task | None = genuine["retry"](task_id, now, project_id=project_id)
    if fresh is not None:
        Task.objects.filter(task_id=fresh.task_id).update(project_id=1)
    return fresh


def expire_nothing_that_retries(now: datetime, limit: int = 1000) -> int:
    """Leaves tasks that wait for their next attempt."""
    waiting = Task.objects.filter(status__in=[Status.SCHEDULED, Status.PENDING], expires_at__lte=now)
    return waiting.update(status=Status.EXPIRED, finished_at=now, error={"code": "expired"})


genuine: dict[str, Callable[..., Any]] = {"create": store.create, "retry": store.retry}
VERBS: dict[str, tuple[str, Callable[..., Any]]] = {
    "promote does not wait for run_at": ("promote", promote_early),
    "prune commits twice": ("prune", prune_in_two_commits),
    "create commits each task alone": ("create", create_one_by_one),
    "cancel commits twice": ("cancel", cancel_in_two_commits),
    "delete takes what has begun": ("delete", delete_what_has_begun),
    "expire forgets retries": ("expire", expire_nothing_that_retries),
    "verbs reach other projects": ("of_project", of_any_project),
    "retry forgets the project": ("retry", retry_for_the_default_project),
}
NAMES = [*EDITS, *VERBS]


def install(name: str, patch: pytest.MonkeyPatch) -> None:
    """Break the store in this one way until the test is over."""
    if name in VERBS:
        verb, broken = VERBS[name]
        patch.setattr(store if hasattr(store, verb) else withdrawal, verb, broken)
        return
    statement, part, instead = EDITS[name]
    text = getattr(sql, statement)
    assert part in text, f"{name}: {part!r} is no longer a part of {statement}"
    patch.setattr(sql, statement, text.replace(part, instead))
