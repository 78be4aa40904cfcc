"""New tasks with a `unique_key`, of which only one of a project is unfinished at a time. For `store` only."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from tasks_app import insertion, rows
from tasks_app.lifecycle import TERMINAL, Status
from tasks_app.models import Task

_Key = tuple[int, str | None]
# In the words of the unique index: else PostgreSQL would not use it, nor SQLite with parameters in their place.
_IS_UNFINISHED = "status IN ({})".format(
    ", ".join(f"'{status}'" for status in sorted(set(Status) - TERMINAL))
)


def insert_where_free(tasks: list[Task], now: datetime) -> dict[UUID, Task]:
    """Insert tasks whose key no unfinished task of the project has; for each other one, by its id, who has it."""
    others: dict[UUID, Task] = {}
    rows.settle(tasks, now)
    # In one order for all: two batches that wait for each other's keys must not deadlock.
    tasks = sorted(tasks, key=lambda task: (task.unique_key or "", task.project_id))
    while tasks:
        inserted = insertion.insert_where_free([rows.columns(task) for task in tasks])
        refused = [task for task in tasks if task.task_id not in inserted]
        if not refused:
            break
        if any(task.unique_key is None for task in refused):
            raise IntegrityError("a task with this id exists already")
        holders = _holders(refused)
        others |= {task.task_id: holders[_key(task)] for task in refused if _key(task) in holders}
        # A holder that has finished since the INSERT no longer stands in the way.
        tasks = [task for task in refused if _key(task) not in holders]
    return others


def _holders(refused: list[Task]) -> dict[_Key, Task]:
    """The unfinished tasks that have the keys of these."""
    found = Task.objects.filter(
        project_id__in={task.project_id for task in refused},
        unique_key__in={task.unique_key for task in refused},
    )
    found = found.filter(RawSQL(_IS_UNFINISHED, [], output_field=BooleanField()))  # noqa: S611 - constant text
    return {_key(task): task for task in found}


def _key(task: Task) -> _Key:
    return task.project_id, task.unique_key
