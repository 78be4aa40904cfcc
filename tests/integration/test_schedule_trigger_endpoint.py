"""/task-schedules/{id}/trigger/."""

import json

import pytest

from schedules_app.models import Occurrence, TaskSchedule
from tasks_app.models import Task
from tests.integration.http import client, faults, get, post, problem
from tests.integration.schedule_http import (
    act,
    clock,  # noqa: F401 - a fixture for every test here
    finished,
    ledger_of,
    made,
    read,
    shown,
    url_of,
)
from tests.integration.schedules import HOUR, NOON, finish_all
from tests.support import registered_operation

pytestmark = pytest.mark.django_db


def greet(name: str):
    return name


def trigger(schedule, body=None, status=201):
    return act(schedule, "trigger", body, status)


def test_a_triggered_task_is_shown_with_its_address_and_stands_in_the_ledger():
    schedule = made(tags=["nightly"], priority=2, queue="reports")
    response = post(url_of(schedule, "trigger/"))
    task = response.json()
    assert (response.status_code, response.headers["Location"]) == (201, f"/tasks/{task['task_id']}/")
    assert task.items() <= get(response.headers["Location"]).json().items()
    assert (task["status"], task["task_schedule"]) == ("PENDING", schedule["task_schedule_id"])
    assert (task["tags"], task["priority"], task["queue"]) == (["nightly"], 2, "reports")
    [row] = ledger_of(schedule)
    assert (row["origin"], row["verdict"], row["task_id"]) == ("manual", "FIRED", task["task_id"])
    assert row["task_status"] == "PENDING"


def test_a_manual_run_changes_nothing_of_the_recurrence():
    schedule = made(schedule_x_times=2, starts_at=shown(NOON + HOUR))
    trigger(schedule)
    assert read(schedule) == schedule


@pytest.mark.parametrize("state", ["paused", "finished"])
def test_a_schedule_that_does_not_fire_can_be_triggered(state):
    schedule = finished() if state == "finished" else made()
    if state == "paused":
        act(schedule, "pause")
    before, tasks = read(schedule), Task.objects.count()
    trigger(schedule)
    assert Task.objects.count() == tasks + 1
    assert read(schedule) == before


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all"])
def test_a_manual_run_that_obeys_overlap_is_skipped_while_a_task_runs(overlap):
    schedule = made(overlap=overlap)
    trigger(schedule, {"obey_overlap": True})
    row = trigger(schedule, {"obey_overlap": True}, status=200)
    assert (row["verdict"], row["reason"], row["origin"], row["task_id"]) == (
        "SKIPPED",
        "overlap",
        "manual",
        None,
    )
    assert Task.objects.count() == 1
    trigger(schedule, {"obey_overlap": False})
    finish_all(NOON)
    assert Task.objects.count() == 2
    trigger(schedule, {"obey_overlap": True})


def test_a_manual_run_that_obeys_overlap_cancels_the_previous_task():
    schedule = made(overlap="cancel_previous")
    first = trigger(schedule, {"obey_overlap": True})
    trigger(schedule, {"obey_overlap": True})
    assert get(f"/tasks/{first['task_id']}/").json()["status"] == "CANCELLED"


def test_a_manual_run_that_obeys_allow_runs_beside_others():
    schedule = made()
    trigger(schedule, {"obey_overlap": True})
    trigger(schedule, {"obey_overlap": True})


def test_arguments_of_a_manual_run_replace_the_schedules_for_this_run():
    with registered_operation(greet, "greet"):
        schedule = made(operation="greet", arguments={"name": "world"})
        assert trigger(schedule, {"arguments": {"name": "you"}})["arguments"] == {"name": "you"}
        assert trigger(schedule)["arguments"] == {"name": "world"}
        assert trigger(schedule, {"arguments": None})["arguments"] == {"name": "world"}
        assert read(schedule)["arguments"] == {"name": "world"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"arguments": {}}, "#/arguments/name"),
        ({"arguments": {"name": "a", "age": 1}}, "#/arguments/age"),
        ({"arguments": []}, "#/arguments"),
        ({"arguments": "name"}, "#/arguments"),
        ({"obey_overlap": "yes"}, "#/obey_overlap"),
        ({"obey_overlap": None}, "#/obey_overlap"),
    ],
)
def test_a_wrong_manual_run_is_refused_by_name_and_creates_nothing(body, pointer):
    with registered_operation(greet, "greet"):
        schedule = made(operation="greet", arguments={"name": "world"})
        assert {found for found, _ in faults(post(url_of(schedule, "trigger/"), body))} == {pointer}
    assert not Occurrence.objects.exists()
    assert not Task.objects.exists()


def test_arguments_for_an_operation_that_has_vanished_are_refused():
    schedule = made()
    TaskSchedule.objects.update(operation="reports.gone")
    problem(post(url_of(schedule, "trigger/"), {"arguments": {}}), 400)
    assert not Task.objects.exists()


def test_a_placeholder_in_arguments_of_a_manual_run_is_filled_in():
    with registered_operation(greet, "greet"):
        schedule = made(operation="greet", arguments={"name": "world"})
        task = trigger(schedule, {"arguments": {"name": "{{ schedule_id }}"}})
    assert task["arguments"] == {"name": schedule["task_schedule_id"]}


def repeat(schedule, body=None, key="k-1"):
    data = json.dumps(body or {})
    path = url_of(schedule, "trigger/")
    return client.generic("POST", path, data, "application/json", HTTP_IDEMPOTENCY_KEY=key)


def test_a_repeated_trigger_gets_the_same_answer_and_creates_one_task():
    schedule = made()
    first, second = repeat(schedule), repeat(schedule)
    assert (first.status_code, second.status_code) == (201, 201)
    assert (second.content, second.headers["Location"]) == (first.content, first.headers["Location"])
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (Task.objects.count(), Occurrence.objects.count()) == (1, 1)


def test_a_repeated_trigger_that_was_skipped_stays_skipped():
    schedule = made(overlap="skip")
    trigger(schedule)
    first = repeat(schedule, {"obey_overlap": True})
    finish_all(NOON)
    second = repeat(schedule, {"obey_overlap": True})
    assert (first.status_code, second.status_code, second.content) == (200, 200, first.content)
    assert Task.objects.count() == 1


def test_a_key_means_one_run_of_one_schedule():
    schedule, other = made(), made()
    repeat(schedule)
    assert repeat(schedule, {"obey_overlap": True}).status_code == 422
    assert repeat(other).json()["task_schedule"] == other["task_schedule_id"]


# Skip, move, restore
