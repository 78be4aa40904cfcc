"""`retry_backoff`, `retry_base_seconds`, `retry_cap_seconds` of tasks, and of those that schedules create."""

import pytest
from django.conf import settings

from schedules_app import store as schedule_store
from tasks_app.models import Task
from tests.integration.http import faults, get, post
from tests.support import registered_operation

pytestmark = pytest.mark.django_db

NAMES = ("retry_backoff", "retry_base_seconds", "retry_cap_seconds")
OWN = {"retry_backoff": "linear", "retry_base_seconds": 7.0, "retry_cap_seconds": 70.0}


def configured():
    return "exponential", settings.CONFIG.retry_base_seconds, settings.CONFIG.retry_cap_seconds


def waits(task):
    return tuple(task[name] for name in NAMES)


def create(**fields):
    return post("/tasks/", {"operation": "4+7", **fields})


def test_waits_that_a_request_sets_are_stored_and_shown():
    response = create(retry_backoff="fixed", retry_base_seconds=0.5, retry_cap_seconds=9)
    assert waits(response.json()) == ("fixed", 0.5, 9)
    assert waits(get(response.headers["Location"]).json()) == ("fixed", 0.5, 9)


@pytest.mark.parametrize("fields", [{}, dict.fromkeys(NAMES)])
def test_left_out_or_null_they_are_the_configurations(fields):
    assert waits(create(**fields).json()) == configured()


@pytest.mark.parametrize("fields", [{}, dict.fromkeys(NAMES)])
def test_left_out_or_null_they_are_the_operations_if_it_has_any(fields):
    with registered_operation(lambda: None, "test.own", **OWN):
        assert waits(create(operation="test.own", **fields).json()) == tuple(OWN.values())


def test_each_one_falls_back_by_itself():
    with registered_operation(lambda: None, "test.own", retry_base_seconds=7.0):
        body = create(operation="test.own", retry_backoff="fixed").json()
    assert waits(body) == ("fixed", 7.0, settings.CONFIG.retry_cap_seconds)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("retry_backoff", "quadratic", "invalid_choice"),
        ("retry_backoff", "EXPONENTIAL", "invalid_choice"),
        ("retry_backoff", "", "invalid_choice"),
        ("retry_backoff", 1, "invalid_choice"),
        ("retry_backoff", ["fixed"], "invalid_choice"),
        ("retry_base_seconds", 0, "min_value"),
        ("retry_base_seconds", -1, "min_value"),
        ("retry_base_seconds", 31_536_001, "max_value"),
        ("retry_base_seconds", "2", "invalid"),
        ("retry_cap_seconds", True, "invalid"),
        ("retry_cap_seconds", 1e300, "max_value"),
    ],
)
def test_a_wait_that_cannot_be_is_refused(field, value, code):
    assert faults(create(**{field: value})) == {(f"#/{field}", code)}


def test_a_refused_curve_is_told_those_that_exist():
    [fault] = create(retry_backoff="quadratic").json()["errors"]
    assert fault["detail"] == "Use one of exponential, linear, fixed."


def test_a_repeated_task_waits_as_the_first_one_did():
    task = create(retry_backoff="fixed", retry_base_seconds=5).json()
    post(f"/tasks/{task['task_id']}/cancel/")
    again = post(f"/tasks/{task['task_id']}/retry/").json()
    assert waits(again) == ("fixed", 5.0, settings.CONFIG.retry_cap_seconds)


def test_a_schedules_tasks_wait_as_their_operation_says():
    with registered_operation(lambda: None, "test.own", **OWN):
        for operation in ("test.own", "4+7"):
            post("/task-schedules/", {"operation": operation, "every_x_days": 1})
        schedule_store.fire_due()
    found = {task.operation: tuple(getattr(task, name) for name in NAMES) for task in Task.objects.all()}
    assert found == {"test.own": tuple(OWN.values()), "4+7": configured()}


def test_operations_show_what_they_set():
    with registered_operation(lambda: None, "test.own", **OWN, force_cancel=True):
        listed = {one["name"]: one for one in get("/operations/").json()["results"]}
    assert waits(listed["test.own"]) == tuple(OWN.values())
    assert listed["test.own"]["force_cancel"] is True
    assert waits(listed["arithmetic"]) == (None, None, None)
    assert listed["arithmetic"]["force_cancel"] is False
