"""The table of callbacks: which ends are still to be told, and which tasks tell them. For `store` and `delivery` only.

Who marks an end as told holds its row from the look until the commit that stores the telling task: of any number of
sweeps, one tells it.
"""

import json
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import connection
from django.db.models import Exists, Max, OuterRef, QuerySet

from tasks_app.models import Callback, Task

CANNOT = UUID(int=0)
"""Instead of a delivery's id: an end that cannot be told. It leaves the index of those that are to be told."""
_MARK = {
    "postgresql": """UPDATE tasks_callback c SET delivery_task_id = g.value::uuid
        FROM jsonb_each_text(%s::jsonb) g WHERE c.id = g.key::bigint""",
    "sqlite": """UPDATE tasks_callback SET delivery_task_id = g.value
        FROM json_each(%s) g WHERE tasks_callback.id = cast(g.key AS integer)""",
}


def is_any_untold() -> bool:
    """Whether there is an end that no task tells yet."""
    return Callback.objects.filter(delivery_task_id=None).exists()


def untold(limit: int) -> list[Callback]:
    """Ends that no task tells yet, oldest first; held until the transaction ends, those that others hold left out."""
    # SQLite has no row locks; its IMMEDIATE transactions are alone already.
    rows = Callback.objects.filter(delivery_task_id=None).select_for_update(skip_locked=True)
    return list(rows.order_by("id")[:limit])


def mark(deliveries: Mapping[int, UUID]) -> None:
    """Note by which tasks these ends (ids of their rows) are told."""
    if deliveries:
        with connection.cursor() as cursor:
            cursor.execute(
                _MARK[connection.vendor], [json.dumps({pk: key.hex for pk, key in deliveries.items()})]
            )


def set_apart(row: Callback) -> None:
    """Note that no task can be made that tells of this end. It is tried again once `delivery_task_id` is null."""
    Callback.objects.filter(pk=row.pk).update(delivery_task_id=CANNOT)


def drop(rows: Iterable[Callback]) -> None:
    """Forget ends of tasks that are there no more."""
    if ids := [row.pk for row in rows]:
        Callback.objects.filter(pk__in=ids).delete()


def repeat(delivery: Task, repetition: UUID) -> bool:
    """Note that a task repeats this one, if this one tells of a task's end; whether it does."""
    task_id = _told_of(delivery)
    if task_id is None:
        return False
    rows = Callback.objects.filter(task_id=task_id)
    # Held, since two that repeat it at once must not take one number.
    first = rows.filter(number=0).select_for_update().first()
    if first is None or not rows.filter(delivery_task_id=delivery.task_id).exists():
        return False
    latest = rows.aggregate(latest=Max("number"))["latest"]
    Callback.objects.create(
        task_id=task_id,
        number=latest + 1,
        project_id=first.project_id,
        ended_at=first.ended_at,
        delivery_task_id=repetition,
    )
    return True


def _told_of(delivery: Task) -> UUID | None:
    """The task that a delivery's body is about, by what it says; only the table knows whether it tells of its end."""
    try:
        return UUID(delivery.arguments["json"]["data"]["task_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def forget(task_ids: Iterable[UUID]) -> None:
    """Delete what is known of the ends of these tasks."""
    Callback.objects.filter(task_id__in=list(task_ids)).delete()


def told(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Those of the tasks whose end nobody is still to be told."""
    return tasks.exclude(Exists(Callback.objects.filter(task_id=OuterRef("pk"), delivery_task_id=None)))
