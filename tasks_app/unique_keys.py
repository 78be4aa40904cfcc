"""New tasks with a `unique_key`, of which only one is unfinished at a time. For `store` only."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError

from tasks_app import insertion, rows
from tasks_app.lifecycle import TERMINAL
from tasks_app.models import Task


def insert_where_free(tasks: list[Task], now: datetime) -> dict[UUID, Task]:
    """Insert tasks whose key no unfinished task has; for each other one, by its id, the task that has it."""
    others: dict[UUID, Task] = {}
    rows.settle(tasks, now)
    # In one order for all: two batches that wait for each other's keys must not deadlock.
    tasks = sorted(tasks, key=lambda task: task.unique_key or "")
    while tasks:
        inserted = insertion.insert_where_free([rows.columns(task) for task in tasks])
        refused = [task for task in tasks if task.task_id not in inserted]
        if not refused:
            break
        if any(task.unique_key is None for task in refused):
            raise IntegrityError("a task with this id exists already")
        unfinished = Task.objects.exclude(status__in=TERMINAL)
        holders = {
            task.unique_key: task
            for task in unfinished.filter(unique_key__in=[t.unique_key for t in refused])
        }
        others |= {task.task_id: holders[task.unique_key] for task in refused if task.unique_key in holders}
        # A holder that has finished since the INSERT no longer stands in the way.
        tasks = [task for task in refused if task.unique_key not in holders]
    return others
