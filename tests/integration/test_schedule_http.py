"""Task schedules over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from schedules_app import store
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import NewSchedule
from schedules_app.serializers import OccurrenceSerializer, ScheduleSerializer
from tasks_app.ids import new_id
from tasks_app.models import Task

pytestmark = pytest.mark.django_db

HOURLY: dict[str, Any] = {"operation": "4+7", "every_x_hours": 1}


@pytest.fixture
def api() -> APIClient:
    return APIClient()


def _post(api: APIClient, **fields: Any) -> Any:
    response = api.post("/task-schedules/", {**HOURLY, **fields})
    assert response.status_code == 201, response.json()
    return response.json()


def _url(schedule: Any, tail: str = "") -> str:
    return f"/task-schedules/{schedule['task_schedule_id']}/{tail}"


def _faults(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.json()
    assert response.headers["Content-Type"].startswith("application/problem+json")
    return {fault["pointer"]: fault["code"] for fault in response.json()["errors"]}


def _after_firing(schedule: Any, hours: int = 0) -> None:
    first = datetime.fromisoformat(schedule["next_run_at"])
    store.fire_due(first + timedelta(hours=hours))


def test_a_new_schedule_is_shown_whole_with_its_address(api: APIClient) -> None:
    response = api.post("/task-schedules/", {**HOURLY, "name": "Hourly", "schedule_x_times": 3})
    body = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == _url(body)
    assert api.get(response.headers["Location"]).json() == body
    assert set(body) == set(ScheduleSerializer().fields)
    assert (body["status"], body["next_run_at"]) == ("ACTIVE", body["starts_at"])
    assert (body["queue"], body["max_attempts"], body["timezone"]) == ("tasks", 3, "UTC")


def test_the_same_addresses_are_mounted_under_a_version(api: APIClient) -> None:
    response = api.post("/api/v1/task-schedules/", HOURLY)
    assert response.headers["Location"].startswith("/api/v1/task-schedules/")
    assert api.get(response.headers["Location"]).status_code == 200


def test_the_first_occurrence_is_the_start_that_is_given(api: APIClient) -> None:
    body = _post(api, starts_at="2999-01-31T02:30:00+01:00", every_x_days=1, timezone="Europe/Berlin")
    assert body["next_run_at"] == "2999-01-31T01:30:00.000000Z"


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"every_x_hours": None}, "#/every_x_days", "recurrence_required"),
        ({"every_x_hours": 0}, "#/every_x_hours", "min_value"),
        ({"every_x_hours": -5}, "#/every_x_hours", "min_value"),
        ({"every_x_hours": 876_601}, "#/every_x_hours", "max_value"),
        ({"every_x_days": 2**62}, "#/every_x_days", "max_value"),
        ({"every_x_days": 1.5}, "#/every_x_days", "invalid"),
        ({"every_x_days": True}, "#/every_x_days", "invalid"),
        ({"every_x_days": "1"}, "#/every_x_days", "invalid"),
        ({"schedule_x_times": 0}, "#/schedule_x_times", "min_value"),
        ({"schedule_x_times": 2**31}, "#/schedule_x_times", "max_value"),
        ({"timezone": "Mars/Olympus"}, "#/timezone", "invalid_recurrence"),
        ({"timezone": "../etc/passwd"}, "#/timezone", "invalid_recurrence"),
        ({"timezone": ""}, "#/timezone", "blank"),
        ({"starts_at": "2030-01-01T00:00:00"}, "#/starts_at", "offset_required"),
        ({"starts_at": "9999-12-31T23:59:59Z"}, "#/starts_at", "out_of_range"),
        ({"ends_at": "2000-01-01T00:00:00Z"}, "#/ends_at", "invalid_recurrence"),
        (
            {"starts_at": "2000-01-01T00:00:00Z", "ends_at": "2000-01-02T00:00:00Z"},
            "#/ends_at",
            "invalid_recurrence",
        ),
        ({"operation": "no.such"}, "#/operation", "unknown_operation"),
        ({"priority": 10}, "#/priority", "max_value"),
        ({"name": "x" * 201}, "#/name", "max_length"),
        ({"status": "PAUSED"}, "#/status", "read_only"),
        ({"next_run_at": "2030-01-01T00:00:00Z"}, "#/next_run_at", "read_only"),
        ({"tasks_created": 0}, "#/tasks_created", "read_only"),
        ({"every_x_hour": 1}, "#/every_x_hour", "unknown_field"),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    api: APIClient, fields: dict[str, Any], pointer: str, code: str
) -> None:
    assert _faults(api.post("/task-schedules/", {**HOURLY, **fields})) == {pointer: code}
    assert not TaskSchedule.objects.exists()


def test_faults_of_the_template_and_of_the_rule_are_told_together(api: APIClient) -> None:
    faults = _faults(api.post("/task-schedules/", {"operation": "no.such", "timezone": "Mars/Olympus"}))
    assert set(faults) == {"#/operation", "#/every_x_days"}


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_refused(api: APIClient, body: Any) -> None:
    response = api.post("/task-schedules/", body)
    assert response.status_code == 400


def test_a_patch_changes_only_what_it_names(api: APIClient) -> None:
    before = _post(api, name="old", priority=2, schedule_x_times=9)
    after = api.patch(_url(before), {"name": "new"}).json()
    assert {name for name in after if after[name] != before[name]} == {"name", "revision", "updated_at"}


def test_a_patch_of_the_rule_takes_effect_from_now(api: APIClient) -> None:
    before = _post(api)
    _after_firing(before)
    after = api.patch(_url(before), {"every_x_hours": None, "every_x_days": 2}).json()
    first = datetime.fromisoformat(before["next_run_at"])
    assert datetime.fromisoformat(after["next_run_at"]) == first + timedelta(days=2)


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"every_x_hours": None}, "#/every_x_days", "recurrence_required"),
        ({"ends_at": "2000-01-01T00:00:00Z"}, "#/ends_at", "invalid_recurrence"),
        ({"timezone": "Nowhere"}, "#/timezone", "invalid_recurrence"),
        ({"arguments": {"unknown": 1}}, "#/arguments", "not_empty"),
        ({"operation": "no.such"}, "#/operation", "unknown_operation"),
        ({"last_run_at": None}, "#/last_run_at", "read_only"),
        ({"operation": None}, "#/operation", "null"),
    ],
)
def test_a_wrong_patch_is_refused_by_name_and_changes_nothing(
    api: APIClient, changes: dict[str, Any], pointer: str, code: str
) -> None:
    before = _post(api)
    assert _faults(api.patch(_url(before), changes)) == {pointer: code}
    assert api.get(_url(before)).json() == before


def test_a_patch_to_null_takes_the_default_of_the_operation_or_service(api: APIClient) -> None:
    schedule = _post(api, queue="reports", max_attempts=9)
    after = api.patch(_url(schedule), {"queue": None, "max_attempts": None}).json()
    assert (after["queue"], after["max_attempts"]) == ("tasks", 3)


def test_a_schedule_whose_operation_has_vanished_can_still_be_changed(api: APIClient) -> None:
    schedule = _post(api)
    TaskSchedule.objects.update(operation="reports.gone")
    assert api.patch(_url(schedule), {"priority": 1}).json()["priority"] == 1


def test_pause_and_resume_say_where_the_schedule_stands(api: APIClient) -> None:
    schedule = _post(api)
    paused = api.post(_url(schedule, "pause/"))
    assert (paused.status_code, paused.json()["status"]) == (200, "PAUSED")
    assert paused.json()["paused_at"] is not None
    assert api.post(_url(schedule, "pause/")).json() == paused.json()
    resumed = api.post(_url(schedule, "resume/"))
    assert (resumed.status_code, resumed.json()["status"]) == (200, "ACTIVE")
    assert resumed.json()["paused_at"] is None


@pytest.mark.parametrize("verb", ["pause/", "resume/"])
def test_a_finished_schedule_can_be_neither_paused_nor_resumed(api: APIClient, verb: str) -> None:
    schedule = _post(api, schedule_x_times=1)
    _after_firing(schedule)
    assert api.get(_url(schedule)).json()["status"] == "FINISHED"
    response = api.post(_url(schedule, verb))
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


def test_a_schedule_that_cannot_be_followed_is_not_resumed(api: APIClient) -> None:
    schedule = _post(api)
    TaskSchedule.objects.update(timezone="Mars/Olympus")
    store.fire_due()
    assert "timezone" in api.get(_url(schedule)).json()["pause_note"]
    response = api.post(_url(schedule, "resume/"))
    assert response.status_code == 409
    assert "timezone" in response.json()["detail"]


def test_a_deleted_schedule_is_gone_and_its_tasks_are_not(api: APIClient) -> None:
    schedule = _post(api)
    _after_firing(schedule)
    response = api.delete(_url(schedule))
    assert (response.status_code, response.content) == (204, b"")
    assert api.get(_url(schedule)).status_code == 404
    assert Task.objects.count() == 1


@pytest.mark.parametrize("key", [str(new_id()), "7", "not-a-uuid", "%00"])
@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("get", ""),
        ("patch", ""),
        ("delete", ""),
        ("post", "pause/"),
        ("post", "resume/"),
        ("get", "tasks/"),
        ("get", "occurrences/"),
    ],
)
def test_an_unknown_schedule_is_a_404_that_says_so(api: APIClient, key: str, method: str, tail: str) -> None:
    response = getattr(api, method)(f"/task-schedules/{key}/{tail}")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_the_tasks_of_a_schedule_are_its_own_newest_first(api: APIClient) -> None:
    schedule, other = _post(api), _post(api)
    _after_firing(schedule)
    _after_firing(schedule, hours=1)
    results = api.get(_url(schedule, "tasks/")).json()["results"]
    assert {task["task_schedule"] for task in results} == {schedule["task_schedule_id"]}
    nominal = [task["run_at"] for task in results]
    assert nominal == sorted(nominal, reverse=True)
    assert len(nominal) == 2
    assert api.get(_url(other, "tasks/?status=SUCCESS")).json()["results"] == []


def test_the_ledger_shows_each_occurrence_with_its_task(api: APIClient) -> None:
    schedule = _post(api)
    _after_firing(schedule)
    _after_firing(schedule, hours=2)
    results = api.get(_url(schedule, "occurrences/")).json()["results"]
    assert [(row["verdict"], row["reason"]) for row in results] == [
        ("FIRED", ""),
        ("SKIPPED", "missed"),
        ("FIRED", ""),
    ]
    assert set(results[0]) == set(OccurrenceSerializer().fields)
    assert results[1]["lateness_seconds"] == 3600
    ids = {UUID(row["task_id"]) for row in results if row["task_id"]}
    assert ids == set(Task.objects.values_list("task_id", flat=True))


def test_the_ledger_can_be_filtered(api: APIClient) -> None:
    schedule = _post(api)
    _after_firing(schedule, hours=3)
    url = _url(schedule, "occurrences/")
    assert len(api.get(f"{url}?verdict=SKIPPED").json()["results"]) == 3
    assert len(api.get(f"{url}?verdict=SKIPPED,FIRED").json()["results"]) == 4
    assert len(api.get(url, {"occurs_after": schedule["next_run_at"]}).json()["results"]) == 4
    assert api.get(url, {"occurs_before": schedule["next_run_at"]}).json()["results"] == []
    assert api.get(f"{url}?verdict=MAYBE").status_code == 400


def test_the_list_can_be_filtered(api: APIClient) -> None:
    active, paused = _post(api, queue="reports"), _post(api, operation="1+1")
    api.post(_url(paused, "pause/"))

    def ids(**query: Any) -> list[str]:
        return [item["task_schedule_id"] for item in api.get("/task-schedules/", query).json()["results"]]

    assert ids() == [paused["task_schedule_id"], active["task_schedule_id"]]
    assert ids(status="PAUSED") == ids(operation="1+1") == [paused["task_schedule_id"]]
    assert ids(status="ACTIVE") == ids(queue="reports") == [active["task_schedule_id"]]
    assert ids(status="FINISHED") == []
    assert len(ids(status="ACTIVE,PAUSED")) == 2


@pytest.mark.parametrize(
    "query", ["status=DONE", "cursor=x", "page_size=0", "ordering=name", "unknown=1", "status="]
)
def test_a_wrong_parameter_of_the_list_is_refused(api: APIClient, query: str) -> None:
    response = api.get(f"/task-schedules/?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_pages_show_every_schedule_once(api: APIClient) -> None:
    created = [_post(api)["task_schedule_id"] for _ in range(5)]
    for ordering in ("-created_at", "next_run_at"):
        shown, url = [], f"/task-schedules/?page_size=2&ordering={ordering}"
        while url:
            page = api.get(url).json()
            shown += [item["task_schedule_id"] for item in page["results"]]
            url = page["next"]
        assert sorted(shown) == sorted(created)


def test_the_api_document_has_an_example_and_the_errors_of_each_address(api: APIClient) -> None:
    paths = api.get("/swagger.json").json()["paths"]
    own = ("/task-schedules/", "/calendars/", "/forecast/")
    schedules = {path: item for path, item in paths.items() if path.startswith(own)}
    assert len(schedules) == 18
    for path, item in schedules.items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            responses = operation["responses"]
            good = [status for status in responses if status.startswith("2")]
            assert good
            assert all("examples" in responses[status] for status in good if status != "204"), (path, method)
            assert "503" in responses
            assert ("404" in responses) == ("{" in path)


def test_the_admin_pauses_and_resumes_through_the_store(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    [schedule] = store.create(_new_schedules(), datetime(2030, 1, 1, tzinfo=UTC))
    url = "/admin/schedules_app/taskschedule/"
    chosen = {"_selected_action": str(schedule.pk)}
    client.post(url, {"action": "pause_schedules", **chosen})
    schedule.refresh_from_db()
    assert schedule.paused_at is not None
    client.post(url, {"action": "resume_schedules", **chosen})
    schedule.refresh_from_db()
    assert schedule.paused_at is None


def _new_schedules() -> list[Any]:
    return [
        NewSchedule(operation="4+7", max_attempts=3, timeout_seconds=30.0, every_x_hours=1, name="Hourly")
    ]


@pytest.mark.parametrize("query", ["", "?q=Hour", "?q=4%2B7", "?status=ACTIVE", "?queue=tasks"])
def test_the_admin_lists_and_finds_schedules_and_edits_nothing(client: Client, query: str) -> None:
    client.force_login(User.objects.create_superuser("root"))
    [schedule] = store.create(_new_schedules(), datetime(2030, 1, 1, tzinfo=UTC))
    page = client.get(f"/admin/schedules_app/taskschedule/{query}")
    assert str(schedule.pk) in page.content.decode()
    detail = f"/admin/schedules_app/taskschedule/{schedule.pk}/change/"
    assert client.get(detail).status_code == 200
    assert client.post(detail, {"priority": 0}).status_code == 403
    assert client.get("/admin/schedules_app/taskschedule/add/").status_code == 403


def test_the_admin_shows_the_ledger(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    [schedule] = store.create(_new_schedules(), moment)
    store.fire_due(moment)
    page = client.get(f"/admin/schedules_app/occurrence/?q={schedule.pk}")
    assert str(Occurrence.objects.get().task_id) in page.content.decode()
    assert client.get("/admin/schedules_app/occurrence/?q=nonsense").status_code == 200
