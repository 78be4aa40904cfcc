"""GET /health/ready."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from scheduler_service import health
from schedules_app import queries as schedule_queries
from tasks_app import doorbell, queries, store
from tests.integration.helpers import claim, create, new_task
from tests.integration.http import get

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    monkeypatch.setattr(doorbell, "broker_is_reachable", lambda: True)


def ready(status=200):
    response = get("/health/ready")
    assert response.status_code == status
    body = response.json()
    return body["status"], body["checks"]


def seconds_ago(seconds):
    return store.database_now() - timedelta(seconds=seconds)


def test_an_idle_service_is_ready():
    status, checks = ready()
    assert status == "ok"
    assert {name: check["status"] for name, check in checks.items()} == dict.fromkeys(
        ("database", "tasks", "schedules", "broker"), "ok"
    )


def test_work_that_is_due_for_long_is_a_lag():
    create(new_task(run_at=seconds_ago(500)))
    status, checks = ready()
    assert (status, checks["tasks"]["status"]) == ("lagging", "lagging")
    assert 499 < checks["tasks"]["lag_seconds"] < 560


def test_an_overdue_task_that_was_not_promoted_is_a_lag():
    create(new_task(run_at=seconds_ago(400)), now=seconds_ago(500))
    status, checks = ready()
    assert (status, checks["tasks"]["status"]) == ("lagging", "lagging")


def test_the_oldest_task_is_found_in_any_queue_and_priority():
    ages = {("a", 0): 20, ("a", 9): 40, ("b", 5): 90, ("c", 3): 10}
    create(*(new_task(queue=q, priority=p, run_at=seconds_ago(age)) for (q, p), age in ages.items()))
    assert 90 <= ready()[1]["tasks"]["lag_seconds"] < 150


def test_work_that_lies_ahead_or_runs_is_no_lag():
    create(new_task(run_at=seconds_ago(500)))
    claim(now=None)
    create(new_task(run_at=seconds_ago(-500)))
    assert ready()[0] == "ok"


def test_a_schedule_that_is_due_for_long_is_a_lag(monkeypatch):
    monkeypatch.setattr(schedule_queries, "oldest_due_at", lambda: seconds_ago(500))
    status, checks = ready()
    assert (status, checks["schedules"]["status"], checks["tasks"]["status"]) == ("lagging", "lagging", "ok")


def test_without_its_broker_the_service_is_degraded_but_takes_requests(monkeypatch):
    monkeypatch.setattr(doorbell, "broker_is_reachable", lambda: False)
    status, checks = ready()
    assert (status, checks["broker"]["status"]) == ("degraded", "unavailable")


def test_a_broker_that_does_not_answer_is_not_waited_for(monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(health, "BROKER_SECONDS", 0.05)
    monkeypatch.setattr(doorbell, "broker_is_reachable", answer.wait)
    status = ready()[0]
    answer.set()
    assert status == "degraded"


def test_without_its_database_the_service_is_unavailable(monkeypatch):
    def fail():
        raise OperationalError("gone")

    monkeypatch.setattr(store, "database_now", fail)
    status, checks = ready(503)
    assert (status, checks["database"]["status"]) == ("unavailable", "unavailable")


def test_a_lag_that_cannot_be_found_in_time_is_a_lag(monkeypatch):
    def fail():
        raise OperationalError("statement timeout")

    monkeypatch.setattr(queries, "oldest_due_at", fail)
    status, checks = ready()
    assert (status, checks["tasks"]) == ("lagging", {"status": "unknown", "lag_seconds": None})


def test_a_slow_statement_is_ended_by_postgresql(monkeypatch):
    if connection.vendor != "postgresql":
        # SQLite has no server to wait for: its reads are calls into this process.
        return

    def slow():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

    monkeypatch.setattr(health, "DATABASE_MILLISECONDS", 50)
    monkeypatch.setattr(queries, "oldest_due_at", slow)
    assert ready()[0] == "lagging"
