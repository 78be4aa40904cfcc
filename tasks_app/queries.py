"""The reads that HTTP, health and admin share. They change nothing, and none of them counts a table."""

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, Case, QuerySet, When
from django.db.models.expressions import RawSQL

from access_app.principals import DEFAULT_PROJECT
from scheduler_service.config import CALLBACK_QUEUE
from scheduler_service.postgresql.reading import Spelled
from tasks_app.lifecycle import Status
from tasks_app.models import Attempt, Task

_TASK = Spelled(Task, "WHERE task_id = %s AND project_id = %s")
_ATTEMPTS = Spelled(Attempt, "WHERE task_id = %s ORDER BY fence")

HEAVY = ("arguments", "result", "error")
"""Columns of tasks that may be large."""


def of_project(project_id: int) -> QuerySet[Task]:
    """The tasks of a project, in no order."""
    if project_id == DEFAULT_PROJECT:
        # Most tasks are its own. Of a plain condition PostgreSQL expects one in 200 as long as it has no statistics,
        # and sorts the whole table; of this one it expects every second.
        return Task.objects.filter(Case(When(project_id=DEFAULT_PROJECT, then=True), default=False))
    # The words of the partial index, which SQLite needs.
    others = Task.objects.exclude(project_id=DEFAULT_PROJECT)
    if connection.vendor != "postgresql":
        return others.filter(project_id=project_id)
    # An array of one, so that PostgreSQL does not take an order by project and id for one by id: it would walk past
    # the tasks of all others.
    is_own = RawSQL("tasks_task.project_id = ANY(%s)", [[project_id]], output_field=BooleanField())
    return others.filter(is_own)


# The statuses are spelled as in the partial indexes: SQLite would else read the whole table. The claim's index is
# sorted by queue, so that deliveries in it are not walked; those that wait to be repeated are.
_WAITING = """
SELECT count(*) FROM (
    SELECT 1 FROM tasks_task WHERE status = 'PENDING' AND queue < %(deliveries)s AND project_id = %(project)s
    UNION ALL
    SELECT 1 FROM tasks_task WHERE status = 'PENDING' AND queue > %(deliveries)s AND project_id = %(project)s
    UNION ALL
    SELECT 1 FROM tasks_task
    WHERE status IN ('SCHEDULED', 'RETRY') AND queue <> %(deliveries)s AND project_id = %(project)s
    LIMIT %(limit)s
) AS found
"""


def count_waiting(project_id: int, most: int) -> int:
    """How many tasks of a project wait to be run, counted as far as one beyond `most`. Deliveries of callbacks are none
    of them: a receiver that is down must not stop who sends tasks.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"project": project_id, "deliveries": CALLBACK_QUEUE, "limit": most + 1})
        [[counted]] = cursor.fetchall()
    return int(counted)


def find(task_id: UUID, project_id: int) -> Task | None:
    """The task of a project with this id."""
    if connection.vendor != "postgresql":
        return Task.objects.filter(task_id=task_id, project_id=project_id).first()
    return next(iter(_TASK.read(task_id, project_id)), None)


def with_tag(tasks: QuerySet[Task], tag: str) -> QuerySet[Task]:
    """Those of the tasks that have this tag. No index helps here: combine it with a narrower filter."""
    if connection.vendor == "postgresql":
        return tasks.filter(tags__contains=[tag])
    has_tag = "EXISTS (SELECT 1 FROM json_each(tasks_task.tags) WHERE value = %s)"
    return tasks.filter(RawSQL(has_tag, [tag], output_field=BooleanField()))  # noqa: S611 - constant text


def attempts_of(task: Task) -> list[Attempt]:
    """The task's attempts, oldest first; the running one, which has no row yet, is made from the task's row."""
    # Whatever was claimed has a fence: mostly it is asked for a task that waits, or has ended at its first attempt.
    ended = _ended(task.pk) if task.fence else []
    if task.status != Status.STARTED:
        return ended
    # The task was read first: its attempt may have ended since, and must not be shown twice.
    return [*(attempt for attempt in ended if attempt.fence < task.fence), _running(task)]


def _ended(task_id: UUID) -> list[Attempt]:
    if connection.vendor != "postgresql":
        return list(Attempt.objects.filter(task_id=task_id).order_by("fence"))
    return _ATTEMPTS.read(task_id)


def _running(task: Task) -> Attempt:
    attempt = Attempt(task=task, number=task.attempt, fence=task.fence, worker=task.worker)
    # A STARTED task has it.
    attempt.started_at = task.started_at  # type: ignore[assignment]
    return attempt


# The claim's index is sorted by queue and priority, then run_at: one look into it for each pair of these costs
# nothing, however many tasks wait, while the earliest run_at of all would have to be searched for among them.
_LEVELS = "levels(priority) AS (SELECT 0 UNION ALL SELECT priority + 1 FROM levels WHERE priority < 9)"
_FIRST = """(
    SELECT {moment} FROM tasks_task t
    WHERE t.queue = name AND t.priority = levels.priority AND t.status = 'PENDING'
    ORDER BY t.queue, t.priority, t.run_at LIMIT 1
)"""
_PENDING = f"""
WITH RECURSIVE queues(name) AS (
    SELECT min(queue) FROM tasks_task WHERE status = 'PENDING'
    UNION ALL
    SELECT (SELECT min(queue) FROM tasks_task WHERE status = 'PENDING' AND queue > name)
    FROM queues WHERE name IS NOT NULL
), {_LEVELS}
SELECT min({_FIRST}) FROM queues CROSS JOIN levels WHERE name IS NOT NULL AND name {{not_in}}
"""  # noqa: S608 - constant text
_PENDING_IN = f"""
WITH RECURSIVE given(name) AS ({{names}}), {_LEVELS}
SELECT name, {_FIRST} FROM given CROSS JOIN levels
"""  # noqa: S608 - constant text
# A set of names travels as one JSON parameter.
_NAMES = {
    "postgresql": "SELECT jsonb_array_elements_text(%s::jsonb)",
    "sqlite": "SELECT value FROM json_each(%s)",
}
# The statuses are spelled as in the partial indexes: SQLite uses those for their own words only.
_NOT_PROMOTED = """
SELECT {moment} FROM tasks_task t WHERE t.status IN ('SCHEDULED', 'RETRY') ORDER BY t.run_at LIMIT 1
"""
# A client may ask for a time that is over, and a tick is late with what was missed: nobody could claim those before
# they were there.
_WAITS_SINCE = {"postgresql": "greatest(t.run_at, t.created_at)", "sqlite": "max(t.run_at, t.created_at)"}

MOST_RUNNING = 5_000
"""As many running tasks are looked at for the latest claim, the youngest tasks first."""
# An ending is one more row of attempts, so that their newest are those of the latest endings.
_CLAIMS = f"""
SELECT max(started_at), max(lease_expires_at) FROM (
    SELECT started_at, lease_expires_at FROM tasks_task WHERE status = 'STARTED'
    ORDER BY task_id DESC LIMIT {MOST_RUNNING}
) running
UNION ALL
SELECT max(started_at), max(CASE WHEN outcome <> 'LOST' THEN finished_at END) FROM (
    SELECT started_at, finished_at, outcome FROM tasks_attempt ORDER BY id DESC LIMIT 100
) ended
"""  # noqa: S608 - constant text


class Claims(NamedTuple):
    """What the table says of the workers."""

    latest_at: datetime | None
    """When the latest task was claimed that runs now, or whose attempt was among the last hundred to end."""
    leased_until: datetime | None
    """Until when a worker holds a task."""
    latest_end_at: datetime | None
    """When a worker last ended an attempt: whoever ends one is there, however long ago it claimed it."""


def oldest_due_at(without: Collection[str] = ()) -> datetime | None:
    """The earliest `run_at` of the tasks that wait, save PENDING ones of some queues: in the past if work is late.

    None if nothing waits.
    """
    return _earliest("t.run_at", without)


def oldest_pending_at(queues: Collection[str]) -> dict[str, datetime]:
    """The earliest `run_at` of the PENDING tasks of each of the queues that has such."""
    statement = _PENDING_IN.format(names=_NAMES[connection.vendor], moment="t.run_at")
    found: dict[str, datetime] = {}
    for name, value in _rows(statement, json.dumps(list(queues))):
        if moment := _moment(value):
            found[name] = min(moment, found.get(name, moment))
    return found


def waiting_since(without: Collection[str] = ()) -> datetime | None:
    """Since when the tasks wait that are first in their queues: since their `run_at`, or since they are there.

    PENDING ones of the queues `without` are passed over.
    """
    return _earliest(_WAITS_SINCE[connection.vendor], without)


def claims() -> Claims:
    """When tasks were claimed last. Costs the same however many wait, run or have ended."""
    running, ended = _rows(_CLAIMS)
    moments = [moment for moment in (_moment(running[0]), _moment(ended[0])) if moment]
    return Claims(max(moments, default=None), _moment(running[1]), _moment(ended[1]))


def _earliest(moment: str, without: Collection[str]) -> datetime | None:
    pending = _PENDING.format(moment=moment, not_in=f"NOT IN ({_NAMES[connection.vendor]})")
    found = [_rows(pending, json.dumps(list(without))), _rows(_NOT_PROMOTED.format(moment=moment))]
    moments = [_moment(row[0]) for rows in found for row in rows]
    return min((moment for moment in moments if moment), default=None)


def _rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _moment(value: datetime | str | None) -> datetime | None:
    # SQLite keeps times as texts, in UTC; those of a column itself are read as times without a zone.
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
