"""The promises that only real processes can keep, on every database and broker that can be reached."""

import http.client
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from launcher.layout import EXAMPLE_BATCH
from tests.acceptance.service import TERMINAL, Service, wait_for

pytestmark = pytest.mark.timeout(300)

BEATS = ("beat-1", "beat-2", "beat-3")
SCHEDULERS = ("scheduler-1", "scheduler-2", "scheduler-3")


def all_ended(service: Service, ids: list[str]) -> Callable[[], bool]:
    waiting = list(ids)

    def ask() -> bool:
        while waiting and service.task(waiting[-1])["status"] in TERMINAL:
            waiting.pop()
        return not waiting

    return ask


def test_urgent_tasks_of_the_example_batch_start_before_all_others(service: Service) -> None:
    batch = json.loads(EXAMPLE_BATCH.read_text())
    ids = service.submit(*batch)
    with service.with_processes("worker"):
        wait_for(all_ended(service, ids), "the example batch")
    tasks = [service.task(task_id) for task_id in ids]
    assert Counter((task["status"], task["result"]) for task in tasks) == {
        ("SUCCESS", 11): 40,
        ("SUCCESS", 13): 14,
    }
    started: dict[int, list[str]] = {1: [], 9: []}
    for task in tasks:
        started[task["priority"]].append(task["started_at"])
    assert max(started[1]) < min(started[9])


def test_a_broker_that_loses_everything_loses_no_task_and_repeats_none(
    service: Service, purge: Callable[[], None]
) -> None:
    ids = service.submit(*[{"operation": "1000+1"}] * 1000)
    purge()
    with service.with_processes("worker"):
        wait_for(all_ended(service, ids), "1,000 tasks after a purge")
    tasks = service.tasks("operation=1000%2B1")
    assert sorted(task["task_id"] for task in tasks) == sorted(ids)
    assert Counter((task["status"], task["attempt"]) for task in tasks) == {("SUCCESS", 1): 1000}


def test_a_task_whose_process_is_killed_ends_on_its_next_attempt(service: Service) -> None:
    (task_id,) = service.submit({"operation": "debug.sleep", "arguments": {"seconds": 2}})
    with service.with_processes("worker"):
        wait_for(lambda: service.task(task_id)["status"] == "STARTED", "the first attempt")
        process = int(service.task(task_id)["attempts"][0]["worker"].rpartition("/")[2].partition("-")[0])
        os.kill(process, signal.SIGKILL)
        wait_for(all_ended(service, [task_id]), "the second attempt")
    task = service.task(task_id)
    first, second = task["attempts"]
    assert (task["status"], task["attempt"]) == ("SUCCESS", 2)
    assert (first["number"], first["outcome"]) == (1, "LOST")
    assert (second["number"], second["outcome"]) == (2, "SUCCESS")


def successes(service: Service) -> float:
    """What all processes have counted, as one of them says it."""
    connection = http.client.HTTPConnection("127.0.0.1", service.options.port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    series = 'scheduler_tasks_finished_total{operation="arithmetic",queue="tasks",status="SUCCESS"} '
    return sum(float(line.removeprefix(series)) for line in text.splitlines() if line.startswith(series))


def test_what_workers_have_counted_that_came_and_went_is_shown_and_never_goes_back(service: Service) -> None:
    before = successes(service)
    for number in (1, 2):
        ids = service.submit(*[{"operation": "40+2"}] * 50)
        with service.with_processes("worker"):
            wait_for(all_ended(service, ids), "50 tasks")
            wait_for(lambda: successes(service) == before + 50 * number, "what is counted")  # noqa: B023
        assert successes(service) == before + 50 * number


def test_three_beats_at_once_give_each_due_schedule_one_task(service: Service) -> None:
    service.stop("beat", "scheduler")
    schedule: dict[str, Any] = {"operation": "2000+2", "every_x_days": 1}
    ids = [service.request("POST", "/task-schedules/", schedule)["task_schedule_id"] for _ in range(1000)]
    try:
        with service.with_processes(*BEATS, *SCHEDULERS):
            wait_for(lambda: len(service.tasks("operation=2000%2B2")) >= len(ids), "1,000 occurrences")
            # One that is due later: when it has fired, every beat had its chance to fire the others again.
            service.request("POST", "/task-schedules/", {"operation": "2000+3", "every_x_days": 1})
            wait_for(lambda: service.tasks("operation=2000%2B3"), "a later occurrence")
    finally:
        service.start("beat", "scheduler")
    fired = Counter(task["task_schedule"] for task in service.tasks("operation=2000%2B2"))
    assert fired == dict.fromkeys(ids, 1)


def test_flower_lists_the_tasks_of_the_store_by_operation(service: Service) -> None:
    seen: dict[str, Any] = {}

    def is_listed() -> bool:
        # It lists what runs while it listens, and nothing tells when it has begun to.
        (task_id,) = service.submit({"operation": "debug.echo", "arguments": {"value": "flower"}})
        wait_for(all_ended(service, [task_id]), "a task for Flower")
        seen.update(service.flower("/api/tasks?limit=5").get(task_id, {}))
        return bool(seen)

    with service.with_processes("worker"):
        wait_for(is_listed, "a task in Flower's list")
    assert (seen["name"], seen["state"], seen["worker"].partition("@")[0]) == (
        "debug.echo",
        "SUCCESS",
        "worker",
    )
    assert "flower" in seen["kwargs"]
    assert seen["runtime"] is not None
