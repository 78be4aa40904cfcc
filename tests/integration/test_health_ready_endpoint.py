"""GET /health/ready."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from scheduler_service import health
from schedules_app import queries as schedule_queries
from schedules_app import store as schedule_store
from schedules_app.models import TaskSchedule
from tasks_app import doorbell, queries, store
from tasks_app.lifecycle import Status
from tasks_app.models import Task
from tests.integration import schedules
from tests.integration.helpers import claim, create, ending, new_task
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


def test_due_work_that_nobody_ever_claims_is_a_stall():
    create(new_task(), now=seconds_ago(500))
    status, checks = ready(503)
    assert (status, checks["tasks"]["status"]) == ("stalled", "stalled")
    assert checks["tasks"]["claim_age_seconds"] is None


def test_an_overdue_task_that_was_not_promoted_is_a_stall():
    create(new_task(run_at=seconds_ago(400)), now=seconds_ago(500))
    assert ready(503)[1]["tasks"]["status"] == "stalled"


def test_a_task_that_came_with_a_time_long_over_is_no_stall_before_it_has_waited():
    create(new_task(run_at=seconds_ago(86_400)), now=seconds_ago(1))
    assert ready()[0] == "lagging"


def test_a_dedicated_queue_that_nobody_serves_takes_no_web_process_out_of_service(configure):
    configure(dedicated_queues=("reports", "idle"))
    create(new_task(queue="reports"), now=seconds_ago(500))
    status, checks = ready()
    assert (status, checks["tasks"]["status"], checks["tasks"]["queues"]) == (
        "lagging",
        "lagging",
        ["reports"],
    )


def test_work_of_the_shared_queue_is_a_stall_also_beside_a_dedicated_one(configure):
    configure(dedicated_queues=("reports",))
    create(new_task(queue="reports"), new_task(queue="a"), now=seconds_ago(500))
    status, checks = ready(503)
    assert (status, checks["tasks"]["queues"]) == ("stalled", ["reports", "tasks"])


def test_the_shared_queue_is_no_dedicated_one_whatever_the_settings_say(configure):
    configure(dedicated_queues=("tasks",))
    create(new_task(), now=seconds_ago(500))
    assert ready(503)[1]["tasks"]["queues"] == ["tasks"]


def test_an_overdue_task_of_a_dedicated_queue_that_was_not_promoted_is_a_stall(configure):
    configure(dedicated_queues=("reports",))
    create(new_task(queue="reports", run_at=seconds_ago(400)), now=seconds_ago(500))
    assert ready(503)[1]["tasks"]["status"] == "stalled"


def test_a_name_of_a_queue_that_a_client_chose_is_not_shown_to_all(configure):
    configure(dedicated_queues=("reports",))
    create(new_task(queue="takeover-of-rival"), new_task(queue="reports"), now=seconds_ago(500))
    answer = get("/health/ready")
    assert answer.json()["checks"]["tasks"]["queues"] == ["reports", "tasks"]
    assert b"rival" not in answer.content


def test_work_that_is_not_late_names_no_queue(configure):
    configure(dedicated_queues=("reports",))
    create(new_task(queue="reports"), new_task(), now=seconds_ago(5))
    assert ready()[1]["tasks"]["queues"] == []


def wait_with_claim(age, finish=None, lease_ends=-1.0, ended=1.0):
    """Work that waits for 500 s, and a claim of that age in another queue, ended by `finish` so long ago."""
    create(new_task(queue="other"), now=seconds_ago(600))
    [held] = claim(queue="other", now=seconds_ago(age))
    Task.objects.filter(task_id=held.task_id).update(lease_expires_at=seconds_ago(-lease_ends))
    if finish is not None:
        store.finish([ending(held, finish)], seconds_ago(ended))
    create(new_task(), now=seconds_ago(500))


ENDINGS = [None, Status.SUCCESS, Status.ERROR, Status.RETRY]


@pytest.mark.parametrize("finish", ENDINGS)
def test_late_work_is_a_lag_while_tasks_are_claimed(finish):
    wait_with_claim(60, finish)
    status, checks = ready()
    assert (status, checks["tasks"]["status"]) == ("lagging", "lagging")
    assert 59 < checks["tasks"]["claim_age_seconds"] < 110


@pytest.mark.parametrize("finish", ENDINGS)
def test_late_work_is_a_stall_when_the_last_claim_is_as_old(finish):
    wait_with_claim(400, finish, ended=350)
    status, checks = ready(503)
    assert (status, checks["tasks"]["status"]) == ("stalled", "stalled")
    assert 399 < checks["tasks"]["claim_age_seconds"] < 450


@pytest.mark.parametrize("finish", ENDINGS[1:])
def test_late_work_is_a_lag_when_a_worker_just_ended_a_long_task_and_has_not_claimed_the_next(finish):
    wait_with_claim(400, finish)
    assert ready()[0] == "lagging"


def test_the_end_of_a_task_whose_worker_vanished_is_no_sign_of_a_worker():
    create(new_task(queue="other", max_attempts=1), now=seconds_ago(600))
    claim(queue="other", now=seconds_ago(400))
    assert store.rescue(now=seconds_ago(1))
    create(new_task(), now=seconds_ago(500))
    assert ready(503)[0] == "stalled"


def test_late_work_is_a_lag_while_a_worker_holds_the_lease_of_a_long_task():
    wait_with_claim(400, lease_ends=30.0)
    assert ready()[0] == "lagging"


def test_without_due_work_old_claims_are_no_stall():
    create(now=seconds_ago(4000))
    claim(now=seconds_ago(4000))
    assert ready()[0] == "ok"


def test_a_stall_goes_before_a_broker_that_is_away(monkeypatch):
    monkeypatch.setattr(doorbell, "broker_is_reachable", lambda: False)
    create(new_task(), now=seconds_ago(500))
    assert ready(503)[0] == "stalled"


def schedule(age, **fields):
    """A schedule that is due since so many seconds."""
    schedules.create(now=seconds_ago(age), starts_at=seconds_ago(age), **fields)


def test_a_due_schedule_that_no_tick_ever_fires_is_a_stall():
    schedule(500)
    status, checks = ready(503)
    assert (status, checks["schedules"]["status"], checks["tasks"]["status"]) == ("stalled", "stalled", "ok")
    assert checks["schedules"]["tick_age_seconds"] is None


@pytest.mark.parametrize(("age", "status"), [(30, "lagging"), (400, "stalled")])
def test_a_due_schedule_is_a_lag_while_others_are_fired(age, status):
    schedule(age)
    schedule_store.fire_due(seconds_ago(age))
    Task.objects.all().delete()
    schedule(500)
    assert ready(200 if status == "lagging" else 503)[1]["schedules"]["status"] == status


def test_what_a_person_skipped_is_no_tick():
    schedule(500)
    [key] = schedules.create(now=seconds_ago(0), starts_at=seconds_ago(-60))
    schedule_store.skip_next(key)
    assert ready(503)[0] == "stalled"


def test_a_due_schedule_that_was_changed_a_moment_ago_is_no_stall():
    schedule(500)
    TaskSchedule.objects.update(updated_at=seconds_ago(1))
    assert ready()[0] == "lagging"


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


def test_probes_that_the_broker_left_without_an_answer_do_not_line_up(monkeypatch):
    answer, asked = threading.Event(), []
    monkeypatch.setattr(health, "BROKER_SECONDS", 0.05)
    monkeypatch.setattr(doorbell, "broker_is_reachable", lambda: asked.append(1) or answer.wait())
    for _ in range(6):
        ready()
    answer.set()
    monkeypatch.setattr(health, "BROKER_SECONDS", 30)
    assert ready()[0] == "ok"
    assert len(asked) == 3  # one for each of the two threads, and the last


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
    assert (status, checks["tasks"]) == (
        "lagging",
        {"status": "unknown", "lag_seconds": None, "claim_age_seconds": None, "queues": []},
    )


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
