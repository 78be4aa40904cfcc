"""What a key may send: 429 and Retry-After over HTTP, and how many tasks may wait."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access_app import limits
from access_app.limits import Own
from access_app.principals import Scope
from schedules_app import store as schedule_store
from schedules_app.models import Backfill
from tasks_app import queries, store, waiting
from tasks_app.models import Task
from tests.integration.access import browser, caller, person, project, with_key
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import problem

pytestmark = pytest.mark.django_db

TASK = {"operation": "1+1"}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time stands still, and numbers begin anew, in this process."""
    clock = Clock()
    monkeypatch.setattr(limits, "redis_url", lambda: "")
    monkeypatch.setattr(limits, "_own", Own(clock))
    monkeypatch.setattr(waiting, "_counts", waiting.Counts(queries.count_waiting, clock))
    return clock


@pytest.fixture(autouse=True)
def one_process(configure):
    configure(web_workers=1)


def post(client, body=TASK, path="/tasks/", **headers):
    return client.post(path, body, format="json", headers=headers)


def test_a_key_that_sends_too_fast_is_told_when_to_go_on(clock):
    client = with_key(requests_per_second=2)
    assert [client.get("/operations/").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.get("/operations/")
    assert problem(refused, 429)["code"] == "too_many_requests"
    assert refused.headers["Retry-After"] == "1"
    clock.now += 1
    assert client.get("/operations/").status_code == 200


def test_one_who_may_send_seldom_is_told_to_wait_long(clock):
    client = with_key(requests_per_second=0.1)
    client.get("/operations/")
    assert client.get("/operations/").headers["Retry-After"] == "10"


@pytest.mark.parametrize(("general", "own", "passed"), [(3, None, 3), (3, 5, 5), (3, 0, 9), (0, None, 9)])
def test_a_keys_own_limit_counts_before_the_general_one(general, own, passed, configure):
    configure(key_requests_per_second=general)
    client = with_key(requests_per_second=own)
    assert [client.get("/operations/").status_code for _ in range(9)].count(200) == passed


def test_nobody_else_has_a_limit(configure):
    configure(key_requests_per_second=1, key_waiting_tasks=1)
    user = browser(person("root", is_superuser=True))
    for client in (caller(), user):
        assert [client.get("/operations/").status_code for _ in range(5)] == [200] * 5
    assert [post(caller()).status_code for _ in range(3)] == [202] * 3


def test_a_wrong_key_uses_up_nobodys_rate():
    client = with_key(requests_per_second=1)
    for _ in range(5):
        assert caller("Bearer key_0123456789ab." + "x" * 43).get("/operations/").status_code == 401
    assert client.get("/operations/").status_code == 200


def refused(response):
    body = problem(response, 429)
    assert response.headers["Retry-After"] == "5"
    return body["code"] == "too_many_waiting"


def test_single_tasks_batches_and_retries_count_together(clock):
    client = with_key(waiting_tasks=5)
    assert post(client).status_code == 202
    assert post(client, [TASK] * 3, "/tasks/batch-request/").status_code == 202
    assert refused(post(client, [TASK] * 2, "/tasks/batch-request/"))
    assert refused(post(client, [TASK, {**TASK, "priority": 1}], "/tasks/batch-request/"))
    assert post(client).status_code == 202
    assert refused(post(client))
    assert Task.objects.count() == 5
    ended = Task.objects.earliest("task_id")
    store.cancel([ended.task_id])
    assert refused(client.post(f"/tasks/{ended.task_id}/retry/"))
    clock.now += waiting.LEAST_SECONDS
    assert client.post(f"/tasks/{ended.task_id}/retry/").status_code == 202


def test_a_manual_run_of_a_schedule_counts():
    client = with_key(waiting_tasks=1)
    made = post(client, {**TASK, "every_x_hours": 6}, "/task-schedules/").json()
    path = f"/task-schedules/{made['task_schedule_id']}/trigger/"
    assert post(client, {}, path).status_code == 201
    assert refused(post(client, {}, path))


BEGAN = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=2)


def path_of_backfills(client):
    """Those of a new schedule, whose rule gives a time at each full hour."""
    body = {**TASK, "cron": "0 * * * *", "starts_at": BEGAN.isoformat()}
    return f"/task-schedules/{post(client, body, '/task-schedules/').json()['task_schedule_id']}/backfills/"


def backfilled(client, hours, path=None, **headers):
    asked = {"from": BEGAN.isoformat(), "to": (BEGAN + timedelta(hours=hours - 1)).isoformat()}
    return post(client, asked, path or path_of_backfills(client), **headers)


def test_a_backfill_waits_with_all_its_tasks():
    client = with_key(waiting_tasks=10)
    create(*(new_task(project_id=project("red").pk) for _ in range(4)))
    assert refused(backfilled(client, 7))
    assert not Backfill.objects.exists()
    assert backfilled(client, 6).status_code == 202


def test_what_running_backfills_have_still_to_create_counts_for_the_next_one(clock):
    client = with_key(waiting_tasks=10)
    first = backfilled(client, 6)
    assert (first.status_code, first.json()["total"]) == (202, 6)
    assert refused(backfilled(client, 5))
    assert backfilled(client, 4).status_code == 202
    assert refused(backfilled(client, 1))
    said = "With 1 task more, beside 10 that running backfills have still to create, over 10 tasks of this project"
    assert said in backfilled(client, 1).json()["detail"]
    while schedule_store.work_backfills():
        pass
    clock.now += waiting.LEAST_SECONDS
    assert Task.objects.count() == 10
    assert refused(backfilled(client, 1))
    store.finish([ending(each) for each in claim(now=timezone.now())], timezone.now())
    clock.now += waiting.LEAST_SECONDS
    assert backfilled(client, 10).status_code == 202


def test_backfills_that_have_ended_and_those_of_other_projects_do_not_count():
    assert backfilled(with_key(within="blue"), 9).status_code == 202
    client = with_key(waiting_tasks=10)
    one = backfilled(client, 10)
    assert client.post(f"{one.headers['Location']}cancel/").status_code == 200
    assert backfilled(client, 10).status_code == 202


def test_a_backfill_that_is_refused_can_be_sent_again_with_its_key(clock):
    client = with_key(waiting_tasks=3)
    create(new_task(project_id=project("red").pk))
    path, own = path_of_backfills(client), {"idempotency-key": "a"}
    assert refused(backfilled(client, 3, path, **own))
    store.cancel(list(Task.objects.values_list("pk", flat=True)))
    clock.now += waiting.LEAST_SECONDS
    first = backfilled(client, 3, path, **own)
    assert (first.status_code, backfilled(client, 3, path, **own).content) == (202, first.content)


def test_a_rule_that_gave_more_than_was_counted_owes_nothing():
    client = with_key(waiting_tasks=10)
    backfilled(client, 6)
    Backfill.objects.update(tasks_created=500)
    assert backfilled(client, 10).status_code == 202


def test_of_an_unlike_batch_only_its_right_items_count():
    client = with_key(waiting_tasks=1)
    assert post(client, [TASK, {"operation": 7}], "/tasks/batch-request/").status_code == 202


def test_a_repetition_is_answered_though_nothing_more_may_wait():
    client = with_key(waiting_tasks=1)
    first = post(client, **{"idempotency-key": "a"})
    assert (first.status_code, post(client, **{"idempotency-key": "a"}).content) == (202, first.content)
    assert refused(post(client, **{"idempotency-key": "b"}))


def test_other_projects_do_not_count():
    for _ in range(3):
        assert post(with_key(within="blue")).status_code == 202
    assert post(with_key(within="red", waiting_tasks=1)).status_code == 202


def test_only_what_waits_is_counted():
    create(new_task(), new_task(), new_task(run_at=at(3600)))
    store.finish([ending(claim()[0])], at(1))
    create(new_task())
    assert set(Task.objects.values_list("status", flat=True)) >= {"SUCCESS", "SCHEDULED", "PENDING"}
    assert queries.count_waiting(1, 100) == 2
    assert queries.count_waiting(1, 1) == 2
    assert queries.count_waiting(2, 100) == 0


def test_deliveries_do_not_count_so_that_a_receiver_that_is_down_stops_no_client():
    client = with_key(waiting_tasks=2)
    mine = project("red").pk
    create(*(new_task("http.request", queue="callbacks", project_id=mine) for _ in range(5)))
    create(*(new_task("http.request", queue="callbacks", project_id=mine, run_at=at(3600)) for _ in range(5)))
    assert queries.count_waiting(mine, 2) == 0
    assert [post(client).status_code for _ in range(2)] == [202, 202]
    assert refused(post(client))


@pytest.mark.parametrize("queue", ["Callbacks", "callback", "callbacksb", "a", "z", "_"])
def test_every_other_queue_counts(queue):
    create(new_task(queue=queue), new_task(queue=queue, run_at=at(3600)))
    assert queries.count_waiting(1, 100) == 2


def test_the_count_goes_no_further_than_it_must():
    create(*(new_task() for _ in range(5)), *(new_task(run_at=at(3600)) for _ in range(5)))
    assert [queries.count_waiting(1, most) for most in (1, 4, 5, 7, 20)] == [2, 5, 6, 8, 10]


def test_it_is_counted_anew_seldom_and_not_while_it_is_fresh(clock):
    client = with_key(Scope.TASKS_WRITE, waiting_tasks=100)
    counted = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as seen:
            assert post(client).status_code == 202
        counted.append(sum("count(*)" in query["sql"] for query in seen.captured_queries))
        clock.now += 0.4
    assert counted == [1, 0, 0]
    clock.now += 0.4
    with CaptureQueriesContext(connection) as seen:
        post(client)
    assert sum("count(*)" in query["sql"] for query in seen.captured_queries) == 1


def test_a_count_that_takes_long_is_repeated_the_less_often():
    clock, counted = Clock(), []

    def count(project_id, most):
        clock.now += 2
        counted.append(clock.now)
        return 0

    counts = waiting.Counts(count, clock)
    for _ in range(200):
        counts.admits(1, 1, 1000)
        clock.now += 1
    assert all(later - earlier >= 2 * waiting.SHARE for earlier, later in pairwise(counted))
    assert len(counted) == 5
