"""The plans of the chores' statements: each reads an index of just what it looks for, also without statistics."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules_app import queries, sql, store
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.store import outcomes
from tests.integration.schedules import HOUR, MINUTE, NOON, create, finish_all

pytestmark = pytest.mark.django_db

WASTEFUL = re.compile(r"Seq Scan on schedules_|SCAN schedules_\w+(?! USING)\b")


def _plans(act: Callable[[], object]) -> str:
    """The plans of what `act` reads of the tables of schedules, as they are when it runs."""
    plans: list[str] = []
    prefix = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "

    def explain(execute: Any, statement: str, parameters: Any, many: bool, context: Any) -> Any:
        if statement.startswith("SELECT") and 'FROM "schedules_' in statement:
            execute(prefix + statement, parameters, many, context)
            plans.append("\n".join(str(row) for row in context["cursor"].fetchall()))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(explain):
        act()
    assert plans
    return "\n".join(plans)


@pytest.fixture
def _many() -> None:
    create(300)
    store.fire_due(NOON)
    while finish_all(NOON + MINUTE):
        pass
    outcomes.Settler().look()


@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize(
    ("act", "index"),
    [
        (lambda: outcomes.Settler().look(), "occurrence_open"),
        (lambda: store.fire_due(NOON - HOUR), "schedule_due_at"),
        (lambda: store.check_success(NOON), "schedule_success_due"),
        (queries.count_alerts, "schedule_alerts"),
        (store.mend, "schedule_stranded"),
        (lambda: store.work_backfills(NOON), "backfill_running"),
        (lambda: store.prune_ledger(NOON - timedelta(days=1), 5), "occurrence"),
    ],
)
def test_a_chore_that_has_nothing_to_do_reads_an_index_and_no_table(
    act: Callable[[], object], index: str
) -> None:
    assert Occurrence.objects.filter(task_status="").count() == 0
    plan = _plans(act)
    assert index in plan
    assert not WASTEFUL.search(plan)


@pytest.mark.usefixtures("_many")
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans by the schema alone")
def test_the_looks_of_every_second_read_indexes_and_no_table() -> None:
    def look() -> None:
        assert not sql.has_work(NOON - HOUR)
        assert sql.next_firing(NOON - HOUR, NOON) is None

    plans: list[str] = []

    def explain(execute: Any, statement: str, parameters: Any, many: bool, context: Any) -> Any:
        execute(f"EXPLAIN {statement}", parameters, many, context)
        plans.extend(row[0] for row in context["cursor"].fetchall())
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(explain):
        look()
    plan = "\n".join(plans)
    indexes = ("schedule_due_at", "schedule_buffered", "backfill_running", "schedule_next_run")
    assert all(index in plan for index in indexes), plan
    assert not WASTEFUL.search(plan)


@pytest.mark.usefixtures("_many")
def test_a_tick_has_work_while_something_is_due_waits_or_is_backfilled() -> None:
    assert not sql.has_work(NOON)
    assert sql.has_work(NOON + HOUR)
    (key,) = create(every_x_hours=None, every_x_days=1)
    store.fire_due(NOON)
    assert not sql.has_work(NOON)
    backfill = store.backfill(key, NOON, NOON, 5, NOON)
    assert backfill is not None
    assert sql.has_work(NOON)
    assert store.cancel_backfill(backfill.pk, NOON)
    assert not sql.has_work(NOON)
    TaskSchedule.objects.filter(pk=key).update(buffered_count=1)
    assert sql.has_work(NOON)


@pytest.mark.usefixtures("_many")
def test_taking_back_reads_only_what_lies_ahead() -> None:
    (key,) = create(starts_at=NOON + HOUR)
    plan = _plans(lambda: store.pause([key], NOON))
    assert "occurs_at" in plan
    assert not WASTEFUL.search(plan)


@pytest.mark.parametrize(
    "act", [lambda: store.fire_due(NOON), lambda: store.check_success(NOON), store.mend, queries.count_alerts]
)
def test_an_idle_look_asks_in_the_order_of_its_index(act: Callable[[], object]) -> None:
    # Without statistics and without an order PostgreSQL takes a third of the table for what is due, and reads it all.
    with CaptureQueriesContext(connection) as asked:
        act()
    looks = [query["sql"] for query in asked if 'FROM "schedules_' in query["sql"]]
    assert looks
    assert all("ORDER BY" in look for look in looks)
