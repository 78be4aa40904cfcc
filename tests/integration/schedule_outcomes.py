"""What the tests of outcomes, expectations and upkeep of schedules share."""

from datetime import datetime
from uuid import UUID

import pytest

from schedules_app import store
from schedules_app.models import Occurrence
from schedules_app.store import outcomes, upkeep
from tasks_app import store as task_store
from tasks_app.lifecycle import Outcome, Status
from tasks_app.models import Task
from tests.integration.helpers import claim, ending
from tests.integration.schedules import HOUR, MINUTE, NOON, get


@pytest.fixture(autouse=True)
def begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "_settler", outcomes.Settler())
    monkeypatch.setattr(upkeep, "_pruner", upkeep.Pruner())


def settle_all() -> int:
    return sum(iter(lambda: store.settle(), 0))


def run(key: UUID, hour: int, status: Status) -> None:
    """Fire the occurrence of an hour after noon, and let its task end a minute later."""
    store.fire_due(NOON + hour * HOUR)
    now = NOON + hour * HOUR + MINUTE
    if status is Status.CANCELLED:
        task_store.cancel(Task.objects.filter(status="PENDING").values_list("task_id", flat=True), now)
        return
    endings = [ending(item, status, outcome=Outcome(status)) for item in claim(now=now)]
    assert len(task_store.finish(endings, now)) == 1


def outcomes_of(key: UUID) -> list[tuple[str, datetime | None]]:
    rows = Occurrence.objects.filter(task_schedule_id=key).order_by("occurs_at")
    return list(rows.values_list("task_status", "task_finished_at"))


def health_of(key: UUID) -> tuple[int, datetime | None, datetime | None]:
    schedule = get(key)
    return schedule.consecutive_failures, schedule.last_success_at, schedule.last_failure_at
