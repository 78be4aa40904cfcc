"""What the hot statements read: their cost must not grow with the table, whatever the planner believes of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from tasks_app import sql, store
from tasks_app.models import Task
from tests.integration.helpers import NOON, create, new_task

pytestmark = pytest.mark.django_db


def plans_of(act: Any) -> str:
    """The plans of the statements of `act` that touch tasks, as the database explains them."""
    plans: list[str] = []

    def explain(execute: Any, statement: str, parameters: Any, many: bool, context: Any) -> Any:
        settings, _, query = (
            statement.rpartition("; ") if statement.startswith("SET LOCAL") else ("", "", statement)
        )
        if "tasks_task" in query and connection.vendor == "postgresql":
            if settings:
                execute(settings, None, many, context)
            execute(f"EXPLAIN (FORMAT JSON) {query}", parameters, many, context)
            plans.append(json.dumps(context["cursor"].fetchone()[0]))
        elif "tasks_task" in query:
            execute(f"EXPLAIN QUERY PLAN {query}", parameters, many, context)
            plans.append("\n".join(str(row) for row in context["cursor"].fetchall()))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(explain), transaction.atomic():
        act()
    return "\n".join(plans)


@pytest.fixture
def backlog() -> None:
    """A table that was just filled: no statistics of it exist."""
    create(*(new_task(priority=index % 10) for index in range(5000)))
    Task.objects.filter(priority=9).update(status="STARTED", attempt=1, lease_expires_at=NOON)


def reads_whole_table(plans: str) -> bool:
    if connection.vendor == "sqlite":
        return "SCAN tasks_task'" in plans or "SCAN t'" in plans
    nodes = [
        node for line in plans.splitlines() for [root] in [json.loads(line)] for node in walk(root["Plan"])
    ]
    assert nodes
    return any(
        node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "tasks_task" for node in nodes
    )


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)


def test_the_check_itself_sees_a_whole_table_read(backlog):
    assert reads_whole_table(plans_of(lambda: Task.objects.filter(attempt=7).exists()))


def test_a_claim_reads_its_index_from_the_start_and_sorts_no_backlog(backlog):
    plans = plans_of(lambda: store.claim("tasks", "w", 100, lease_seconds=60))
    assert plans.count("task_claim") >= 2
    assert not reads_whole_table(plans)
    assert "Bitmap" not in plans
    if connection.vendor == "postgresql":
        assert '"Sort"' not in plans
    else:
        assert "USE TEMP B-TREE FOR ORDER BY" not in plans


def test_a_finish_finds_its_rows_by_id(backlog):
    claims = store.claim("tasks", "w", 100, lease_seconds=60)
    given = [
        {"task_id": claim.task_id, "fence": claim.fence, "status": "SUCCESS", "outcome": "SUCCESS"}
        for claim in claims
    ]
    rows = [{**row, "result": None, "error": None, "wait": 0, "runtime": 0} for row in given]
    plans = plans_of(lambda: sql.finish(rows, None))
    assert not reads_whole_table(plans)
    assert "Bitmap" not in plans


def test_finding_the_queues_with_work_takes_one_look_per_queue(backlog):
    plans = plans_of(sql.queues_with_work)
    assert "task_claim" in plans
    assert not reads_whole_table(plans)


@pytest.mark.parametrize(("act", "index"), [(store.promote, "task_promote"), (store.expire, "task_expire")])
def test_a_sweep_reads_the_index_of_what_it_looks_for(backlog, act, index):
    Task.objects.filter(priority=8).update(status="SCHEDULED", run_at=NOON, expires_at=NOON)
    plans = plans_of(lambda: act(NOON, 1000))
    assert index in plans
    assert not reads_whole_table(plans)


def test_the_next_promotion_is_found_in_its_index(backlog):
    plans = plans_of(lambda: store.next_promotion(NOON, NOON))
    assert "task_promote" in plans
    assert not reads_whole_table(plans)
