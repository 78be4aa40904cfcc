"""What the hot statements read: their cost must not grow with the table, whatever the planner believes of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from scheduler_service import health
from tasks_app import prepared, queries, sql, store, sweeps
from tasks_app.backlog import backlog as count_backlog
from tasks_app.models import Task
from tests.integration.helpers import NOON, create, ending, new_task

pytestmark = pytest.mark.django_db


def plans_of(act: Any) -> str:
    """The plans of the statements of `act` that touch tasks, as the database explains them."""
    plans: list[str] = []

    def explain(execute: Any, statement: str, parameters: Any, many: bool, context: Any) -> Any:
        if connection.vendor == "sqlite":
            if "tasks_task" in statement:
                execute(f"EXPLAIN QUERY PLAN {statement}", parameters, many, context)
                plans.append("\n".join(str(row) for row in context["cursor"].fetchall()))
            return execute(statement, parameters, many, context)
        parts = statement.split("; ")
        for part in parts:
            if part.startswith("SET LOCAL"):
                execute(part, None, many, context)
            elif part.startswith("EXECUTE") or ("tasks_task" in part and not part.startswith("PREPARE")):
                execute(f"EXPLAIN (FORMAT JSON) {part}", parameters, many, context)
                plans.append(json.dumps(context["cursor"].fetchone()[0]))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(explain), transaction.atomic():
        act()
    return "\n".join(plans)


@pytest.fixture
def backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that was just filled: no statistics of it exist, and no plans that an earlier test left."""
    monkeypatch.setattr(prepared, "PLANS_LAST", 0.0)
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
        node["Node Type"] in {"Seq Scan", "Index Scan", "Index Only Scan"}
        and node.get("Relation Name") == "tasks_task"
        and "Index Cond" not in node
        for node in nodes
    )


def sorts(plans: str) -> bool:
    return ('"Sort"' if connection.vendor == "postgresql" else "USE TEMP B-TREE FOR ORDER BY") in plans


def walks_along_indexes(plans: str) -> bool:
    """Whether no table at all is read whole, and no bitmap is made of many rows."""
    if connection.vendor == "sqlite":
        return not reads_whole_table(plans)
    return not any(node in plans for node in ('"Seq Scan"', "Bitmap"))


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
    assert not sorts(plans)
    assert "Bitmap" not in plans


def test_the_health_check_walks_along_indexes_and_sorts_nothing(backlog):
    plans = plans_of(health.database_checks)
    assert plans.count("task_claim") >= 2
    assert "task_promote" in plans
    assert "task_started" in plans
    assert walks_along_indexes(plans)
    assert not sorts(plans)


def test_a_health_check_of_late_work_walks_along_indexes_too(backlog, configure):
    configure(dedicated_queues=("reports", "tasks", "idle"))

    def look():
        with health.bounded():
            health.queue_lags(NOON)
            queries.waiting_since(["reports"])

    plans = plans_of(look)
    assert plans.count("task_claim") >= 5
    assert walks_along_indexes(plans)
    assert not sorts(plans)


def test_the_count_of_unfinished_tasks_walks_along_indexes_and_sorts_no_backlog(backlog, monkeypatch):
    monkeypatch.setattr("tasks_app.backlog.MOST_COUNTED", 100)

    def count():
        with health.bounded():
            count_backlog()

    plans = plans_of(count)
    assert all(name in plans for name in ("task_claim", "task_started", "task_promote"))
    assert walks_along_indexes(plans)


def test_the_count_of_a_projects_waiting_tasks_walks_along_indexes_past_deliveries(backlog):
    plans = plans_of(lambda: queries.count_waiting(1, 100_000))
    assert plans.count("task_claim") >= 2
    assert "task_promote" in plans
    assert not reads_whole_table(plans)
    if connection.vendor == "sqlite":
        assert all(part in plans for part in ("task_claim (queue<?)", "task_claim (queue>?)"))
    else:
        conditions = [
            node.get("Index Cond", "")
            for line in plans.splitlines()
            for node in walk(json.loads(line)[0]["Plan"])
        ]
        assert sum("queue" in condition for condition in conditions) >= 2


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


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans by the schema alone")
def test_a_finish_keeps_no_copy_of_the_running_tasks_of_a_table_with_statistics(backlog):
    """It expects a hundred rows, for which a copy looks cheaper than looking each up, also where one is given."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE tasks_task")  # what other tests left makes it look larger
        create(*(new_task() for _ in range(1000)))
        cursor.execute("ANALYZE tasks_task")
    claims = store.claim("tasks", "w", 1, lease_seconds=60)
    assert '"Materialize"' not in plans_of(lambda: store.finish([ending(claim) for claim in claims]))


def test_a_finish_that_claims_reads_what_the_two_read_alone(backlog):
    claims = store.claim("tasks", "w", 100, lease_seconds=60)
    endings = [ending(claim) for claim in claims]
    plans = plans_of(lambda: store.finish_and_claim(endings, "tasks", "w", 100, lease_seconds=60))
    assert plans.count("task_claim") >= 2
    assert (
        plans.count("tasks_task_pkey" if connection.vendor == "postgresql" else "sqlite_autoindex_tasks_task")
        >= 2
    )
    assert not reads_whole_table(plans)
    assert "Bitmap" not in plans


def test_a_claim_behind_another_one_of_its_transaction_reads_its_index_from_the_start(backlog):
    """The settings of the first claim hold for it; without them the planner sorts the backlog."""

    def fill() -> None:
        options: dict[str, Any] = {"lease_seconds": 60, "slow": ["reports.build"], "fill": True}
        assert len(store.finish_and_claim([], "tasks", "w", 1100, **options)) == 1100

    plans = plans_of(fill)
    assert plans.count("task_claim") >= 6
    assert not reads_whole_table(plans)
    assert not sorts(plans)
    assert "Bitmap" not in plans


def next_slice(endings: list[Any]) -> list[Any]:
    return store.finish_and_claim(endings, "tasks", "w", 100, lease_seconds=60)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans every statement anew")
def test_a_plan_that_was_made_for_an_empty_table_is_made_anew_for_a_full_one(monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE tasks_task")  # what is only deleted still counts for the planner
    monkeypatch.setattr(prepared, "PLANS_LAST", 0.0)
    assert next_slice([]) == []
    monkeypatch.setattr(prepared, "PLANS_LAST", 3600.0)
    create(*(new_task(priority=index % 10) for index in range(5000)))
    plans = plans_of(lambda: sql.finish([], None))
    assert reads_whole_table(plans)
    monkeypatch.setattr(prepared, "PLANS_LAST", 0.0)
    claims = next_slice([])
    plans = plans_of(lambda: next_slice([ending(claim) for claim in claims]))
    assert "task_claim" in plans
    assert not reads_whole_table(plans)
    assert '"Sort"' not in plans


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans every statement anew")
def test_the_claim_is_planned_once_not_for_each_slice():
    create(*(new_task() for _ in range(3)))
    for _ in range(3):
        store.claim("tasks", "w", 1, lease_seconds=60)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements WHERE statement LIKE '%head%'"
        )
        generic, custom = cursor.fetchone()
    assert generic >= 3
    assert custom == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite prepares nothing on a server")
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_a_proxy_gave_another_session_still_claims():
    create(new_task(), new_task())
    assert len(store.claim("tasks", "w", 1, lease_seconds=60)) == 1
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    try:
        assert len(store.claim("tasks", "w", 1, lease_seconds=60)) == 1
    finally:
        connection.close()  # the next test's shall be as others are


def test_who_has_a_unique_key_is_found_in_its_index(backlog):
    create(*(new_task(unique_key=f"key-{number}", project_id=7) for number in range(500)))
    plans = plans_of(lambda: create(*(new_task(unique_key=key, project_id=7) for key in ("key-3", "new"))))
    assert "task_unique_key_of_project" in plans
    assert not reads_whole_table(plans)


@pytest.mark.parametrize("project_id", [1, 7])
def test_a_projects_verb_finds_its_task_by_id(backlog, project_id):
    (task_id,) = create(new_task(project_id=7))

    def act() -> None:
        store.cancel([task_id], project_id=project_id)
        store.delete(task_id, project_id=project_id)
        store.retry(task_id, project_id=project_id)

    assert not reads_whole_table(plans_of(act))


def test_finding_the_queues_with_work_takes_one_look_per_queue(backlog):
    plans = plans_of(sweeps.queues_with_work)
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
