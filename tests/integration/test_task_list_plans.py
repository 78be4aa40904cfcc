"""What lists read of a table with many tasks of others, whatever the planner knows of it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.http import HttpResponse

from tasks_app import store
from tasks_app.batch_ids import new_batch_id
from tasks_app.ids import first_id, new_id
from tasks_app.models import Task
from tasks_app.records import TaskRow
from tests.integration.helpers import NOON
from tests.integration.http import client_of
from tests.integration.test_store_plans import walk

SMALL, LARGE, OTHERS = 7, 8, 9
SIZE = 12_000
FAR_BACK = 200
"""Of the small project's tasks, those before all others; as many as a fifth of them lie among the others."""
ON_POSTGRES = connection.vendor == "postgresql"
SCHEDULE = new_id()

pytestmark = pytest.mark.django_db


def id_of(number: int) -> UUID:
    """The id of a task of the table: one is made each second."""
    return UUID(int=first_id(NOON + timedelta(seconds=number)).int | 7 << 76)


def project_of_number(number: int) -> int:
    if number < FAR_BACK or number % 300 == 7:
        return SMALL
    return LARGE if number < SIZE // 2 else OTHERS


def fill(project: Callable[[int], int]) -> None:
    if ON_POSTGRES:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE tasks_task")  # what was only deleted still counts for the planner
    common: Any = ("exponential", 2.0, 60.0, 30.0)
    store.lay_down(
        [
            TaskRow(
                id_of(number), "4+7", {}, number % 10, "tasks", ["a"], "PENDING", 3, *common, NOON, None,
                NOON + timedelta(seconds=number), SCHEDULE if number < 100 else None, project_id=project(number),
            )
            for number in range(SIZE)
        ]
    )  # fmt: skip
    done = Task.objects.exclude(priority=0)
    done.update(status="SUCCESS", finished_at=NOON)


LISTS = {
    "all": {},
    "the oldest": {"ordering": "created_at"},
    "of a time": {"created_after": "2029-01-01T00:00:00Z", "created_before": "2031-01-01T00:00:00Z"},
    "finished": {"status": "SUCCESS"},
    "failed": {"status": "ERROR"},
    "waiting": {"status": "PENDING"},
    "of a queue": {"queue": "tasks"},
    "of a queue that has none": {"queue": "mail"},
    "with a tag that none has": {"tag": "b"},
    "by priority": {"ordering": "priority"},
    "by start": {"ordering": "run_at"},
    "finished before": {"finished_before": "2031-01-01T00:00:00Z"},
    "of a schedule": {"task_schedule": str(SCHEDULE)},
    "of a batch": {"batch_id": str(new_batch_id(id_of(10), id_of(12)))},
    "chosen": {"ids": ",".join(str(id_of(number)) for number in range(150, 350))},
    "chosen of a status": {"ids": ",".join(str(id_of(number)) for number in range(200)), "status": "SUCCESS"},
}


def read(act: Callable[[], HttpResponse]) -> tuple[int, str]:
    """How many rows of tasks and of their indexes one statement of `act` reads at most, and all plans.

    SQLite does not count; there it is 0.
    """
    most, plans = 0, []

    def explain(execute: Any, statement: str, parameters: Any, many: bool, context: Any) -> Any:
        nonlocal most
        if not (statement.startswith("SELECT") and "tasks_task" in statement):
            return execute(statement, parameters, many, context)
        if ON_POSTGRES:
            execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters, many, context)
            [root] = context["cursor"].fetchone()[0]
            most = max(most, sum(map(rows_of, walk(root["Plan"]))))
            plans.append(json.dumps(root))
        else:
            execute(f"EXPLAIN QUERY PLAN {statement}", parameters, many, context)
            plans.append("\n".join(str(row) for row in context["cursor"].fetchall()))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(explain):
        response = act()
    assert response.status_code == 200, response.content
    return most, "\n".join(plans)


def rows_of(node: dict[str, Any]) -> int:
    if not node["Node Type"].endswith("Scan") or node["Node Type"] == "Subquery Scan":
        return 0
    gone = sum(node.get(f"Rows Removed by {how}", 0) for how in ("Filter", "Index Recheck"))
    return (node["Actual Rows"] + gone) * node["Actual Loops"]


def reads_of(project_id: int) -> dict[str, tuple[int, str]]:
    own = client_of(project_id)
    return {name: read(lambda: own.get("/tasks/", given)) for name, given in LISTS.items()}  # noqa: B023


def know(*, has_statistics: bool) -> None:
    if has_statistics:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE tasks_task" if ON_POSTGRES else "ANALYZE")


@pytest.fixture(params=[False, True], ids=["unknown", "known"])
def statistics(request):
    """Whether the planner knows the table. SQLite gets its statistics back, which are the process's."""
    yield request.param
    if request.param and not ON_POSTGRES:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM sqlite_stat1")
            cursor.execute("ANALYZE sqlite_schema")


def test_a_small_projects_lists_read_its_own_tasks_only(statistics):
    fill(project_of_number)
    know(has_statistics=statistics)
    mine = sum(project_of_number(number) == SMALL for number in range(SIZE))
    found = reads_of(SMALL)
    # An index and the rows that it names both count.
    assert {name: most for name, (most, _) in found.items() if most > 3 * mine} == {}
    not_by_project = {name for name, (_, plans) in found.items() if "task_of_project" not in plans}
    assert not_by_project <= {"of a schedule", "of a batch", "chosen", "chosen of a status"}


def test_a_large_project_is_not_sorted_for_a_page_nor_are_others_walked(statistics):
    """Its tasks are half of all, and lie behind those of others: the primary key looks as good, and is not."""
    fill(project_of_number)
    know(has_statistics=statistics)
    found = reads_of(LARGE)
    for name in ("all", "the oldest", "of a time", "finished", "of a queue", "finished before", "of a batch"):
        most, plans = found[name]
        assert most <= 1_100, (name, plans)
        assert "TEMP B-TREE" not in plans, (name, plans)
    for name in ("of a schedule", "chosen", "chosen of a status"):
        assert found[name][0] <= 1_100, (name, found[name])


def test_the_default_project_alone_reads_as_much_as_it_shows(statistics):
    fill(lambda number: 1)
    know(has_statistics=statistics)
    found = reads_of(1)
    for name in ("all", "the oldest"):
        assert found[name][0] <= 51, (name, found[name])
    # Of filters, PostgreSQL is wrong as long as it knows nothing of the table, project or not.
    filtered = ("finished", "of a queue", "finished before", "of a batch", "chosen of a status")
    for name in (*(filtered if statistics else ()), "of a schedule", "chosen"):
        assert found[name][0] <= 1_100, (name, found[name])


def test_the_default_project_among_others_looks_at_a_stretch_of_them(statistics, monkeypatch):
    monkeypatch.setattr("tasks_app.pagination.STRETCHES", (10, 100))
    fill(lambda number: 1 if number < 50 else OTHERS)
    know(has_statistics=statistics)
    found = reads_of(1)
    for name in ("all", "the oldest", *(("of a time", "finished", "of a queue") if statistics else ())):
        assert found[name][0] <= 500, (name, found[name])
