"""The reads that HTTP, health and admin share. They change nothing, and none of them counts a table."""

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from tasks_app.lifecycle import Status
from tasks_app.models import Attempt, Task


def all_tasks() -> QuerySet[Task]:
    """Every task, in no order."""
    return Task.objects.all()


def find(task_id: UUID) -> Task | None:
    """The task with this id."""
    return Task.objects.filter(task_id=task_id).first()


def with_tag(tasks: QuerySet[Task], tag: str) -> QuerySet[Task]:
    """Those of the tasks that have this tag. No index helps here: combine it with a narrower filter."""
    if connection.vendor == "postgresql":
        return tasks.filter(tags__contains=[tag])
    has_tag = "EXISTS (SELECT 1 FROM json_each(tasks_task.tags) WHERE value = %s)"
    return tasks.filter(RawSQL(has_tag, [tag], output_field=BooleanField()))  # noqa: S611 - constant text


def attempts_of(task: Task) -> list[Attempt]:
    """The task's attempts, oldest first; the running one, which has no row yet, is made from the task's row."""
    ended = list(Attempt.objects.filter(task_id=task.pk).order_by("fence"))
    if task.status != Status.STARTED:
        return ended
    # The task was read first: its attempt may have ended since, and must not be shown twice.
    return [*(attempt for attempt in ended if attempt.fence < task.fence), _running(task)]


def _running(task: Task) -> Attempt:
    attempt = Attempt(task=task, number=task.attempt, fence=task.fence, worker=task.worker)
    # A STARTED task has it.
    attempt.started_at = task.started_at  # type: ignore[assignment]
    return attempt


def oldest_due_at() -> datetime | None:
    """The earliest `run_at` of the tasks that wait: in the past if work is late. None if nothing waits."""
    ready = Task.objects.filter(status=Status.PENDING)
    # The same words as in the partial index of promotion, or the planner would not use it.
    later = Task.objects.filter(status__in=[Status.SCHEDULED, Status.RETRY])
    moments = [rows.order_by("run_at").values_list("run_at", flat=True).first() for rows in (ready, later)]
    return min((moment for moment in moments if moment), default=None)
