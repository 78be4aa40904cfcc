"""/task-schedules/{id}/backfills/ and what is below it."""

import json
from datetime import timedelta

import pytest
from django.conf import settings

from schedules_app import store
from schedules_app.models import Backfill, TaskSchedule
from tasks_app.models import Task
from tests.integration.http import MISSING_ID, client, faults, get, post, problem
from tests.integration.schedule_http import (  # noqa: F401
    act,
    clock,
    ledger_of,
    made,
    read,
    shown,
    tick,
    url_of,
)
from tests.integration.schedules import HOUR, NOON

pytestmark = pytest.mark.django_db

FIVE = {"from": "2029-12-31T20:00:00Z", "to": "2030-01-01T00:00:00Z"}


def hourly(**fields):
    """A schedule whose rule gives a time at each full hour of the days before, too."""
    return made(cron="0 * * * *", starts_at="2029-12-01T00:00:00Z", **fields)


def backfill(schedule, **fields):
    response = post(url_of(schedule, "backfills/"), {**FIVE, **fields})
    assert response.status_code == 202, response.content
    return response.json()


def url_of_one(schedule, one, tail=""):
    return url_of(schedule, f"backfills/{one['backfill_id']}/{tail}")


def bounded(monkeypatch, most):
    monkeypatch.setattr(
        settings, "CONFIG", settings.CONFIG.model_copy(update={"max_backfill_occurrences": most})
    )


def test_a_dry_run_counts_and_creates_nothing():
    schedule = hourly()
    response = post(url_of(schedule, "backfills/"), {**FIVE, "dry_run": True})
    assert (response.status_code, response.json()) == (
        200,
        {"total": 5, "first": "2029-12-31T20:00:00.000000Z", "last": "2030-01-01T00:00:00.000000Z"},
    )
    assert not Backfill.objects.exists()
    assert read(schedule) == schedule


def test_a_dry_run_of_an_empty_range_finds_nothing():
    schedule = made(cron="30 6 * * *", starts_at="2029-12-01T00:00:00Z")
    body = {"from": "2029-12-31T20:00:00Z", "to": "2030-01-01T00:00:00Z", "dry_run": True}
    assert post(url_of(schedule, "backfills/"), body).json() == {"total": 0, "first": None, "last": None}


def test_a_dry_run_counts_what_the_backfill_then_creates():
    schedule = hourly(excluded_dates=["2029-12-31"])
    planned = post(url_of(schedule, "backfills/"), {**FIVE, "dry_run": True}).json()
    backfill(schedule)
    store.work_backfills(NOON)
    made_for = [row["occurs_at"] for row in ledger_of(schedule, origin="backfill")]
    assert len(made_for) == planned["total"] == 1
    assert (made_for[0], made_for[-1]) == (planned["first"], planned["last"])


def test_a_new_backfill_is_shown_whole_with_its_address():
    schedule = hourly()
    response = post(url_of(schedule, "backfills/"), FIVE)
    body = response.json()
    assert (response.status_code, response.headers["Location"]) == (202, url_of_one(schedule, body))
    assert get(response.headers["Location"]).json() == body
    assert (body["status"], body["total"], body["tasks_created"], body["finished_at"]) == (
        "RUNNING",
        5,
        0,
        None,
    )
    assert (body["from"], body["to"]) == ("2029-12-31T20:00:00.000000Z", "2030-01-01T00:00:00.000000Z")
    assert (body["task_schedule"], body["priority"]) == (schedule["task_schedule_id"], 9)


def test_the_address_of_a_new_backfill_keeps_the_version():
    response = post(f"/api/v1{url_of(hourly(), 'backfills/')}", FIVE)
    assert response.headers["Location"].startswith("/api/v1/task-schedules/")
    assert get(response.headers["Location"]).status_code == 200


def test_a_backfill_without_occurrences_is_finished_at_once():
    schedule = made(cron="30 6 * * *", starts_at="2029-12-01T00:00:00Z")
    assert backfill(schedule)["status"] == "FINISHED"


def test_progress_shows_after_each_slice(monkeypatch):
    monkeypatch.setattr("schedules_app.store.backfills.SLICE", 2)
    schedule = hourly()
    one = backfill(schedule, priority=7)
    seen = []
    for _ in range(4):
        store.work_backfills(NOON)
        now = get(url_of_one(schedule, one)).json()
        seen.append((now["status"], now["tasks_created"]))
    assert seen == [("RUNNING", 2), ("RUNNING", 4), ("FINISHED", 5), ("FINISHED", 5)]
    assert now["finished_at"] == shown(NOON)
    rows = ledger_of(schedule, origin="backfill")
    assert [row["occurs_at"][8:13] for row in rows] == ["31T20", "31T21", "31T22", "31T23", "01T00"]
    assert set(Task.objects.values_list("priority", flat=True)) == {7}


def test_what_has_a_task_already_is_counted_and_gets_no_second():
    schedule = hourly()
    tick(NOON + 2 * HOUR, step=HOUR)
    body = {"from": "2030-01-01T10:00:00Z", "to": shown(NOON)}
    one = backfill(schedule, **body)
    store.work_backfills(NOON + 2 * HOUR)
    done = get(url_of_one(schedule, one)).json()
    assert (done["status"], done["tasks_created"], done["already_fired"]) == ("FINISHED", 2, 1)
    rows = [row["origin"] for row in ledger_of(schedule, occurs_before="2030-01-01T12:30:00Z")]
    assert rows == ["backfill", "backfill", "schedule"]


def test_a_backfill_counts_for_no_limit_of_the_schedule():
    schedule = hourly(schedule_x_times=2)
    backfill(schedule)
    store.work_backfills(NOON)
    assert Task.objects.count() == 5
    now = read(schedule)
    assert (now["tasks_created"], now["status"]) == (0, "ACTIVE")


def test_a_backfill_of_a_paused_schedule_goes_on():
    schedule = hourly()
    act(schedule, "pause")
    one = backfill(schedule)
    store.work_backfills(NOON)
    assert get(url_of_one(schedule, one)).json()["status"] == "FINISHED"
    assert read(schedule)["status"] == "PAUSED"


def test_a_cancelled_backfill_creates_no_more_and_keeps_what_it_has(monkeypatch):
    monkeypatch.setattr("schedules_app.store.backfills.SLICE", 2)
    schedule = hourly()
    one = backfill(schedule)
    store.work_backfills(NOON)
    response = post(url_of_one(schedule, one, "cancel/"))
    assert (response.status_code, response.json()["status"]) == (200, "CANCELLED")
    assert (response.json()["finished_at"], response.json()["tasks_created"]) == (shown(NOON), 2)
    store.work_backfills(NOON)
    assert get(url_of_one(schedule, one)).json() == response.json()
    assert Task.objects.count() == 2


@pytest.mark.parametrize("end", ["FINISHED", "CANCELLED"])
def test_a_backfill_that_is_over_cannot_be_cancelled(end):
    schedule = hourly()
    one = backfill(schedule)
    if end == "FINISHED":
        store.work_backfills(NOON)
    else:
        post(url_of_one(schedule, one, "cancel/"))
    told = problem(post(url_of_one(schedule, one, "cancel/")), 409)
    assert end in told["detail"]
    assert get(url_of_one(schedule, one)).json()["status"] == end


def test_backfills_are_listed_newest_first_in_pages():
    schedule, other = hourly(), hourly()
    ids = [backfill(schedule)["backfill_id"] for _ in range(3)]
    backfill(other)
    seen, url = [], url_of(schedule, "backfills/?page_size=2")
    while url:
        page = get(url).json()
        seen += [item["backfill_id"] for item in page["results"]]
        url = page["next"]
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"from": "2030-01-01T00:00:01Z"}, "#/to", "too_early"),
        ({"to": "2030-01-01T12:00:00.000001Z"}, "#/to", "too_late"),
        ({"from": "2030-01-05T00:00:00Z", "to": "2030-01-06T00:00:00Z"}, "#/to", "too_late"),
        ({"from": None}, "#/from", "null"),
        ({"from": "2029-12-31"}, "#/from", "invalid"),
        ({"from": "2029-12-31T20:00:00"}, "#/from", "offset_required"),
        ({"from": "0001-01-01T00:00:00Z"}, "#/from", "out_of_range"),
        ({"to": 1893456000}, "#/to", "invalid"),
        ({"priority": 10}, "#/priority", "max_value"),
        ({"priority": -1}, "#/priority", "min_value"),
        ({"priority": "9"}, "#/priority", "invalid"),
        ({"dry_run": "true"}, "#/dry_run", "invalid"),
        ({"dry_run": None}, "#/dry_run", "null"),
        ({"until": "2030-01-01T00:00:00Z"}, "#/until", "unknown_field"),
    ],
)
@pytest.mark.parametrize("is_dry", [False, True])
def test_a_wrong_field_is_refused_by_name(fields, pointer, code, is_dry):
    schedule = hourly()
    assert faults(post(url_of(schedule, "backfills/"), {**FIVE, "dry_run": is_dry, **fields})) == {
        (pointer, code)
    }
    assert not Backfill.objects.exists()


def test_both_ends_of_the_range_are_required():
    assert faults(post(url_of(hourly(), "backfills/"), {})) == {
        ("#/from", "required"),
        ("#/to", "required"),
    }


@pytest.mark.parametrize("body", [[], "text", 5])
def test_a_body_that_is_no_object_is_refused(body):
    problem(post(url_of(hourly(), "backfills/"), body), 400)


@pytest.mark.parametrize("is_dry", [False, True])
def test_too_many_occurrences_are_refused_with_what_to_do(monkeypatch, is_dry):
    bounded(monkeypatch, 4)
    schedule = hourly()
    response = post(url_of(schedule, "backfills/"), {**FIVE, "dry_run": is_dry})
    assert faults(response) == {("#/to", "too_many_occurrences")}
    assert "shorter range" in response.json()["errors"][0]["detail"]
    assert not Backfill.objects.exists()
    bounded(monkeypatch, 5)
    assert post(url_of(schedule, "backfills/"), {**FIVE, "dry_run": is_dry}).status_code in (200, 202)


def test_a_rule_whose_every_time_is_excluded_is_counted_within_bounds(monkeypatch):
    monkeypatch.setattr("schedules_app.store.backfills.MOST_PASSED", 10)
    bounded(monkeypatch, 100)
    schedule = made(
        cron="* * * * *",
        starts_at="2029-12-01T00:00:00Z",
        excluded_dates=["2029-12-31", "2029-12-30"],
    )
    body = {"from": "2029-12-30T00:00:00Z", "to": "2029-12-31T23:59:00Z", "dry_run": True}
    assert faults(post(url_of(schedule, "backfills/"), body)) == {("#/to", "too_many_occurrences")}
    body["from"] = "2029-12-31T22:00:00Z"
    assert post(url_of(schedule, "backfills/"), body).json()["total"] == 0


def repeat(schedule, body, key="k-1"):
    data = json.dumps(body)
    path = url_of(schedule, "backfills/")
    return client.generic("POST", path, data, "application/json", HTTP_IDEMPOTENCY_KEY=key)


def test_a_repeated_request_gets_the_same_answer_and_begins_no_second_backfill():
    schedule = hourly()
    first, second = repeat(schedule, FIVE), repeat(schedule, FIVE)
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.content == first.content
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Backfill.objects.count() == 1


def test_a_key_is_not_shared_between_schedules_or_bodies():
    schedule, other = hourly(), hourly()
    repeat(schedule, FIVE)
    assert repeat(schedule, {**FIVE, "priority": 1}).status_code == 422
    assert repeat(other, FIVE).json()["task_schedule"] == other["task_schedule_id"]


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("get", "backfills/"),
        ("post", "backfills/"),
        ("get", f"backfills/{MISSING_ID}/"),
        ("post", f"backfills/{MISSING_ID}/cancel/"),
    ],
)
@pytest.mark.parametrize("key", [MISSING_ID, "7", "%00"])
def test_an_unknown_schedule_is_a_404_that_says_so(method, tail, key):
    response = {"get": get, "post": post}[method](f"/task-schedules/{key}/{tail}")
    assert problem(response, 404)["code"] == "not_found"


def test_a_backfill_is_found_under_its_own_schedule_only():
    schedule, other = hourly(), hourly()
    one = backfill(schedule)
    problem(get(url_of_one(other, one)), 404)
    problem(post(url_of_one(other, one, "cancel/")), 404)
    problem(get(url_of(schedule, "backfills/7/")), 404)
    assert get(url_of_one(schedule, one)).json()["status"] == "RUNNING"


def test_a_schedule_that_cannot_be_followed_is_not_backfilled():
    schedule = hourly()
    TaskSchedule.objects.update(timezone="Mars/Olympus")
    for is_dry in (False, True):
        response = post(url_of(schedule, "backfills/"), {**FIVE, "dry_run": is_dry})
        assert faults(response) == {("#/timezone", "invalid_recurrence")}


def test_a_backfill_goes_with_its_schedule():
    schedule = hourly()
    one = backfill(schedule)
    client.delete(url_of(schedule))
    problem(get(url_of_one(schedule, one)), 404)
    assert store.work_backfills(NOON + timedelta(minutes=1)) == 0
