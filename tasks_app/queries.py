"""The reads that HTTP, health and admin share. They change nothing, and none of them counts a table."""

from datetime import UTC, datetime
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


# The claim's index is sorted by queue and priority, then run_at: one look into it for each pair of these costs
# nothing, however many tasks wait, while the earliest run_at of all would have to be searched for among them.
_OLDEST_PENDING = """
WITH RECURSIVE queues(name) AS (
    SELECT min(queue) FROM tasks_task WHERE status = 'PENDING'
    UNION ALL
    SELECT (SELECT min(queue) FROM tasks_task WHERE status = 'PENDING' AND queue > name)
    FROM queues WHERE name IS NOT NULL
), levels(priority) AS (SELECT 0 UNION ALL SELECT priority + 1 FROM levels WHERE priority < 9)
SELECT min((
    SELECT run_at FROM tasks_task t
    WHERE t.queue = name AND t.priority = levels.priority AND t.status = 'PENDING'
    ORDER BY t.queue, t.priority, t.run_at LIMIT 1
)) FROM queues CROSS JOIN levels WHERE name IS NOT NULL
"""


def oldest_due_at() -> datetime | None:
    """The earliest `run_at` of the tasks that wait: in the past if work is late. None if nothing waits."""
    # The same words as in the partial index of promotion, or the planner would not use it.
    later = Task.objects.filter(status__in=[Status.SCHEDULED, Status.RETRY]).order_by("run_at")
    moments = [_oldest_pending(), later.values_list("run_at", flat=True).first()]
    return min((moment for moment in moments if moment), default=None)


def _oldest_pending() -> datetime | None:
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_PENDING)
        moment: datetime | str | None = cursor.fetchone()[0]
    # SQLite keeps times as texts, in UTC.
    return datetime.fromisoformat(moment).replace(tzinfo=UTC) if isinstance(moment, str) else moment
