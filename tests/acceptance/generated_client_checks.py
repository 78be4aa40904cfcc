"""What a person does with the generated client; test_clients.py runs this in a process of its own.

`SCHEDULER_URL` says where the service is, `SCHEDULER_KEY` is a key of it, and `scheduler_client` is on the path.
"""

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import scheduler_client as sc
from scheduler_client.exceptions import (
    BadRequestException,
    ConflictException,
    NotFoundException,
    UnauthorizedException,
)

BATCH = Path(__file__).parents[2] / "create_tasks_in_batch_example.json"
UNFINISHED = ["SCHEDULED", "PENDING", "STARTED", "RETRY"]
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def client() -> Iterator[sc.ApiClient]:
    key = f"Bearer {os.environ['SCHEDULER_KEY']}"
    with sc.ApiClient(sc.Configuration(host=os.environ["SCHEDULER_URL"], api_key={"key": key})) as made:
        yield made


@pytest.fixture
def tasks(client: sc.ApiClient) -> sc.TasksApi:
    return sc.TasksApi(client)


@pytest.fixture
def schedules(client: sc.ApiClient) -> sc.TaskSchedulesApi:
    return sc.TaskSchedulesApi(client)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ended(tasks: sc.TasksApi, task_id: uuid.UUID) -> sc.TaskDetail:
    wait_until(lambda: tasks.tasks_read(task_id).status not in UNFINISHED)
    return tasks.tasks_read(task_id)


def problem(raised: pytest.ExceptionInfo[sc.ApiException]) -> sc.Problem:
    assert isinstance(raised.value.data, sc.Problem)
    assert raised.value.data.status == raised.value.status
    return raised.value.data


@pytest.mark.parametrize(
    ("operation", "arguments", "result"),
    [
        ("4+7", {}, 11),
        ("1/4", {}, 0.25),
        ("debug.echo", {"lines": [1, {"a": None}]}, {"lines": [1, {"a": None}]}),
    ],
)
def test_a_task_with_arguments_gives_a_result_of_any_kind(
    tasks: sc.TasksApi, operation: str, arguments: dict[str, object], result: object
) -> None:
    new = sc.NewTask(operation=operation, arguments=arguments, priority=1, tags=["generated"])
    created = tasks.tasks_create(new)
    assert (created.arguments, created.result, created.started_at) == (arguments, None, None)
    task = ended(tasks, created.task_id)
    assert (task.status, task.result, task.error) == ("SUCCESS", result, None)
    assert isinstance(task.task_id, uuid.UUID)
    assert created.created_at.utcoffset() == timedelta(0)
    assert task.finished_at > created.created_at
    [attempt] = task.attempts
    assert (attempt.number, attempt.outcome, attempt.error) == (1, "SUCCESS", None)


def test_a_failure_has_a_code_and_a_message(tasks: sc.TasksApi) -> None:
    task = ended(tasks, tasks.tasks_create(sc.NewTask(operation="1/0", max_attempts=1)).task_id)
    assert (task.status, task.result) == ("ERROR", None)
    assert isinstance(task.error, sc.Failure)
    assert task.error == task.attempts[0].error
    assert task.error.code
    assert "zero" in task.error.message


def test_the_example_batch_is_sent_once_waited_for_and_read(tasks: sc.TasksApi) -> None:
    batch = [sc.NewTask(**item) for item in json.loads(BATCH.read_text())]
    key = str(uuid.uuid4())
    answer, again = (tasks.tasks_batch_request(batch, idempotency_key=key) for _ in range(2))
    ids = [task.task_id for task in answer.tasks]
    assert (len(set(ids)), answer.errors) == (54, [])
    assert (again.batch_id, [task.task_id for task in again.tasks]) == (answer.batch_id, ids)
    wait_until(lambda: not tasks.tasks_list(batch_id=answer.batch_id, status=UNFINISHED, page_size=1).results)
    found = tasks.tasks_list(batch_id=answer.batch_id, page_size=100).results
    assert {task.task_id for task in found} == set(ids)
    assert {task.task_id for task in tasks.tasks_list(ids=[str(one) for one in ids[:3]]).results} == set(
        ids[:3]
    )
    outcomes = Counter((task.status, task.result) for task in found)
    assert outcomes == {("SUCCESS", 11): 40, ("SUCCESS", 13): 14}
    first = tasks.tasks_list(batch_id=answer.batch_id, operation="4+9", page_size=10)
    assert (len(first.results), first.previous, first.results[0].result) == (10, None, 13)
    [cursor] = parse_qs(urlsplit(first.next).query)["cursor"]
    last = tasks.tasks_list(batch_id=answer.batch_id, operation="4+9", page_size=10, cursor=cursor)
    assert (len(last.results), last.next) == (4, None)


def test_a_faulty_item_of_a_batch_is_told_by_its_index(tasks: sc.TasksApi) -> None:
    answer = tasks.tasks_batch_request([sc.NewTask(operation="1+1"), sc.NewTask(operation="no.such")])
    assert len(answer.tasks) == 1
    [fault] = answer.errors
    assert (fault.index, fault.errors[0].pointer) == (1, "#/1/operation")


def test_a_schedule_is_created_triggered_changed_and_deleted(
    tasks: sc.TasksApi, schedules: sc.TaskSchedulesApi
) -> None:
    start = datetime.now(UTC) - timedelta(days=1)
    new = sc.NewTaskSchedule(operation="6*7", every_x_hours=1, starts_at=start, schedule_x_times=3)
    schedule = schedules.task_schedules_create(new)
    assert (schedule.status, schedule.paused_at, schedule.overrides) == ("ACTIVE", None, [])
    assert schedule.next_run_at > datetime.now(UTC)
    key = schedule.task_schedule_id
    triggered = schedules.task_schedules_trigger(key)
    assert ended(tasks, triggered.task_id).result == 42
    page = schedules.task_schedules_tasks(key)
    assert [(task.task_id, task.task_schedule) for task in page.results] == [(triggered.task_id, key)]
    [entry] = schedules.task_schedules_occurrences(key).results
    assert (entry.verdict, entry.reason, entry.task_id) == ("FIRED", "", triggered.task_id)
    assert len(schedules.task_schedules_preview(key, count=2).occurrences) == 2
    changed = schedules.task_schedules_update(key, sc.TaskScheduleChanges(priority=2))
    assert (changed.priority, changed.operation) == (2, "6*7")
    schedules.task_schedules_delete(key)
    with pytest.raises(NotFoundException) as raised:
        schedules.task_schedules_read(key)
    assert problem(raised).code == "not_found"


def test_a_refusal_is_a_problem_with_a_pointer_to_each_fault(tasks: sc.TasksApi) -> None:
    with pytest.raises(BadRequestException) as raised:
        tasks.tasks_create(sc.NewTask(operation="debug.sleep", arguments={"seconds": "long"}))
    told = problem(raised)
    assert told.code == "validation_error"
    [fault] = told.errors
    assert (fault.pointer, fault.parameter) == ("#/arguments/seconds", None)
    assert fault.detail


@pytest.mark.parametrize(("key", "code"), [(None, "not_authenticated"), ("Bearer key_no.no", "invalid_key")])
def test_who_shows_no_key_or_a_wrong_one_is_told_so(key: str | None, code: str) -> None:
    api_key = {"key": key} if key else {}
    configuration = sc.Configuration(host=os.environ["SCHEDULER_URL"], api_key=api_key)
    with sc.ApiClient(configuration) as stranger, pytest.raises(UnauthorizedException) as raised:
        sc.TasksApi(stranger).tasks_list()
    assert problem(raised).code == code


def test_a_conflict_is_a_problem(tasks: sc.TasksApi) -> None:
    task = ended(tasks, tasks.tasks_create(sc.NewTask(operation="2+2")).task_id)
    with pytest.raises(ConflictException) as raised:
        tasks.tasks_cancel(task.task_id)
    assert problem(raised).code == "conflict"


def test_what_is_unset_or_null_is_read(client: sc.ApiClient) -> None:
    by_name = {one.name: one for one in sc.OperationsApi(client).operations_list().results}
    assert by_name["debug.sleep"].arguments_schema["properties"]["seconds"]
    assert sc.ForecastApi(client).forecast_read(hours=1).peak is None
    assert sc.HealthApi(client).health_ready().checks.database.status == "ok"
    new = sc.NewCalendar(name=f"generated-{uuid.uuid4().hex}", dates=["2030-12-25"])
    calendar = sc.CalendarsApi(client).calendars_create(new)
    assert (calendar.description, calendar.rrules) == ("", [])
