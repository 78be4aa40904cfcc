"""POST /tasks/."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from tasks_app.models import Task
from tests.integration.http import client, faults, post, problem
from tests.support import registered_operation

pytestmark = pytest.mark.django_db

FIELDS = [
    *(
        "task_id",
        "operation",
        "arguments",
        "priority",
        "queue",
        "tags",
        "unique_key",
        "batch_id",
        "status",
        "result",
        "error",
        "progress",
    ),
    *("attempt", "max_attempts", "retry_backoff", "retry_base_seconds", "retry_cap_seconds"),
    *("run_at", "expires_at", "timeout_seconds", "callback_url", "task_schedule", "retry_of"),
    *("created_at", "started_at", "finished_at", "cancel_requested_at"),
]
WRITABLE = {"operation", "arguments", "priority", "queue", "tags"} | {
    *("max_attempts", "run_at", "expires_at", "timeout_seconds", "unique_key"),
    *("retry_backoff", "retry_base_seconds", "retry_cap_seconds", "callback_url"),
}


def create(**fields):
    return post("/tasks/", {"operation": "4+7", **fields})


def refused(**fields):
    found = faults(create(**fields))
    assert not Task.objects.exists()
    return found


def text(moment):
    return moment.isoformat().replace("+00:00", "Z")


def test_a_task_is_stored_and_answered_with_its_address():
    response = create()
    assert response.status_code == 202
    body = response.json()
    assert response.headers["Location"] == f"/tasks/{body['task_id']}/"
    assert client.get(response.headers["Location"]).json()["status"] == "PENDING"


def test_an_answer_has_every_field_in_a_fixed_order():
    assert list(create().json()) == FIELDS


def test_the_location_keeps_the_version_of_the_request():
    response = post("/api/v1/tasks/", {"operation": "4+7"})
    assert response.headers["Location"].startswith("/api/v1/tasks/")
    assert client.get(response.headers["Location"]).status_code == 200


def test_defaults_come_from_the_configuration():
    body = create().json()
    assert (body["priority"], body["queue"], body["tags"], body["arguments"]) == (5, "tasks", [], {})
    assert body["max_attempts"] == settings.CONFIG.default_max_attempts
    assert body["timeout_seconds"] == settings.CONFIG.default_timeout_seconds


def test_the_operations_defaults_come_before_those_of_the_configuration():
    with registered_operation(lambda: None, "test.own", queue="own", max_attempts=7, timeout_seconds=9):
        body = create(operation="test.own").json()
        asked = create(operation="test.own", queue="other", max_attempts=2, timeout_seconds=4).json()
    assert (body["queue"], body["max_attempts"], body["timeout_seconds"]) == ("own", 7, 9)
    assert (asked["queue"], asked["max_attempts"], asked["timeout_seconds"]) == ("other", 2, 4)


def test_waits_between_attempts_are_the_operations_else_the_configurations():
    with registered_operation(lambda: None, "test.own", retry_base_seconds=7):
        own = Task.objects.get(task_id=create(operation="test.own").json()["task_id"])
    other = Task.objects.get(task_id=create().json()["task_id"])
    assert own.retry_base_seconds == 7
    assert other.retry_base_seconds == settings.CONFIG.retry_base_seconds
    assert other.retry_cap_seconds == settings.CONFIG.retry_cap_seconds


def test_null_means_the_default_where_a_default_is_computed():
    body = create(queue=None, max_attempts=None, timeout_seconds=None, run_at=None, expires_at=None).json()
    assert (body["queue"], body["max_attempts"]) == ("tasks", settings.CONFIG.default_max_attempts)


def test_an_operations_timeout_cannot_exceed_the_longest_one():
    with registered_operation(lambda: None, "test.long", timeout_seconds=10**6):
        body = create(operation="test.long").json()
    assert body["timeout_seconds"] == settings.CONFIG.max_timeout_seconds


def test_a_task_for_later_is_scheduled_and_times_are_answered_in_utc():
    body = create(run_at="2999-01-31T12:00:00+02:00", expires_at="2999-02-01T00:00:00.123456Z").json()
    assert body["status"] == "SCHEDULED"
    assert body["run_at"] == "2999-01-31T10:00:00.000000Z"
    assert body["expires_at"] == "2999-02-01T00:00:00.123456Z"


def test_a_run_at_in_the_past_means_now():
    assert create(run_at="2001-01-01T00:00:00Z").json()["status"] == "PENDING"


def test_arguments_and_tags_come_back_as_they_were_sent():
    arguments = {"text": "ä😀", "n": [1, 2.5, None, {"deep": True}], "": "empty key"}
    body = create(operation="debug.echo", arguments=arguments, tags=["b", "a", "ü"]).json()
    again = client.get(f"/tasks/{body['task_id']}/").json()
    assert (again["arguments"], again["tags"]) == (arguments, ["b", "a", "ü"])


@pytest.mark.parametrize("field", [name for name in FIELDS if name not in WRITABLE])
def test_a_read_only_field_is_refused(field):
    assert refused(**{field: None}) == {(f"#/{field}", "read_only")}


def test_an_unknown_field_is_refused_with_a_suggestion():
    response = create(priorty=1)
    assert faults(response) == {("#/priorty", "unknown_field")}
    assert "`priority`" in response.json()["detail"]


def test_all_faults_are_told_at_once():
    assert refused(priority=12, colour="red", status="X", tags="a") == {
        ("#/priority", "max_value"),
        ("#/colour", "unknown_field"),
        ("#/status", "read_only"),
        ("#/tags", "not_a_list"),
    }


def test_a_flood_of_unknown_fields_is_told_in_part():
    assert len(refused(**{f"field{number}": 1 for number in range(500)})) == 5


@pytest.mark.parametrize("body", [[], "4+7", 5, None, True])
def test_a_body_that_is_not_an_object_is_refused(body):
    assert len(faults(post("/tasks/", body))) == 1


def test_an_empty_body_lacks_its_operation():
    assert faults(post("/tasks/")) == {("#/operation", "required")}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("operation", "", "blank"),
        ("operation", None, "null"),
        ("operation", 4, "invalid"),
        ("operation", "x" * 201, "max_length"),
        ("operation", "no.such.operation", "unknown_operation"),
        ("operation", "4+", "invalid_expression"),
        ("operation", "__import__('os')", "invalid_expression"),
        ("arguments", None, "null"),
        ("arguments", [], "not_an_object"),
        ("arguments", "{}", "not_an_object"),
        ("arguments", {"x": 1}, "not_empty"),
        ("priority", -1, "min_value"),
        ("priority", 10, "max_value"),
        ("priority", 2**63 - 1, "max_value"),
        ("priority", "5", "invalid"),
        ("priority", 5.0, "invalid"),
        ("priority", True, "invalid"),
        ("priority", None, "null"),
        ("queue", "", "blank"),
        ("queue", "scheduler", "reserved"),
        ("queue", "two words", "invalid"),
        ("queue", "new\nline", "invalid"),
        ("queue", "q" * 65, "invalid"),
        ("tags", {}, "not_a_list"),
        ("tags", ["same", "same"], "duplicate"),
        ("tags", [str(number) for number in range(21)], "max_length"),
        ("max_attempts", 0, "min_value"),
        ("max_attempts", 101, "max_value"),
        ("timeout_seconds", 0, "min_value"),
        ("timeout_seconds", "30", "invalid"),
        ("timeout_seconds", False, "invalid"),
        ("timeout_seconds", 10**9, "max_value"),
        ("run_at", "tomorrow", "invalid"),
        ("run_at", 1893456000, "invalid"),
        ("run_at", "2030-01-01", "invalid"),
        ("run_at", "2030-02-30T00:00:00Z", "invalid"),
        ("run_at", "2030-01-01T00:00:00", "offset_required"),
        ("run_at", "1969-12-31T23:59:59Z", "out_of_range"),
        ("run_at", "9999-12-31T23:59:59-23:59", "invalid"),
        ("run_at", "3000-01-01T00:00:00Z", "out_of_range"),
        ("expires_at", "2020-01-01T00:00:00Z", "too_early"),
    ],
)
def test_a_wrong_value_is_refused(field, value, code):
    [(pointer, found)] = refused(**{field: value})
    assert (pointer.split("/")[1], found) == (field, code)


def test_a_wrong_tag_is_told_by_its_place():
    assert refused(tags=["fine", "x" * 65, 5]) == {("#/tags/1", "max_length"), ("#/tags/2", "invalid")}


def test_a_task_cannot_expire_before_it_may_run():
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert refused(run_at=text(soon), expires_at=text(soon)) == {("#/expires_at", "too_early")}


def test_a_wrong_argument_is_told_by_its_place():
    assert refused(operation="debug.sleep", arguments={"seconds": "long"}) >= {
        ("#/arguments/seconds", "float_type")
    }


def test_arguments_are_held_to_their_limit_in_bytes():
    limit = settings.CONFIG.max_arguments_bytes
    overhead = len('{"text":""}')
    fits = create(operation="debug.echo", arguments={"text": "x" * (limit - overhead)})
    assert fits.status_code == 202
    larger = create(operation="debug.echo", arguments={"text": "x" * (limit - overhead + 1)})
    assert faults(larger) == {("#/arguments", "too_large")}


def test_a_query_parameter_is_refused():
    assert faults(client.post("/tasks/?priority=1", {"operation": "4+7"})) == {
        ("priority", "unknown_parameter")
    }


@pytest.mark.parametrize("path", ["/tasks", "/api/v1/tasks"])
def test_an_address_without_its_last_slash_does_not_lose_the_body(path, settings):
    settings.DEBUG = True
    assert post(path, {"operation": "4+7"}).status_code == 202
    assert Task.objects.count() == 1


def test_a_form_is_refused_with_the_type_that_is_taken():
    response = client.generic("POST", "/tasks/", b"operation=4%2B7", "application/x-www-form-urlencoded")
    assert "application/json" in problem(response, 415)["detail"]
