"""Examples for the API's document."""

from typing import Any

from tasks_app.examples import FINISHED_TASK

NEW_SCHEDULE: dict[str, Any] = {
    "name": "Nightly report",
    "operation": "4+7",
    "every_x_days": 1,
    "timezone": "Europe/Berlin",
    "starts_at": "2030-01-31T02:30:00+01:00",
    "schedule_x_times": 30,
}
SCHEDULE: dict[str, Any] = {
    "task_schedule_id": "0190b2a4-6a10-7b2c-9d3e-4b5c6d7e8f90",
    "name": "Nightly report",
    "operation": "4+7",
    "arguments": {},
    "priority": 5,
    "queue": "tasks",
    "tags": [],
    "max_attempts": 3,
    "timeout_seconds": 300.0,
    "every_x_days": 1,
    "every_x_hours": None,
    "schedule_x_times": 30,
    "timezone": "Europe/Berlin",
    "starts_at": "2030-01-31T01:30:00.000000Z",
    "ends_at": None,
    "status": "ACTIVE",
    "next_run_at": "2030-02-01T01:30:00.000000Z",
    "last_run_at": "2030-01-31T01:30:00.000000Z",
    "tasks_created": 1,
    "paused_at": None,
    "pause_note": "",
    "revision": 1,
    "created_at": "2030-01-30T12:00:00.000000Z",
    "updated_at": "2030-01-30T12:00:00.000000Z",
}
PAUSED_SCHEDULE = {**SCHEDULE, "status": "PAUSED", "paused_at": "2030-01-31T12:00:00.000000Z"}
TASK_OF_SCHEDULE = {**FINISHED_TASK, "task_schedule": SCHEDULE["task_schedule_id"]}
OCCURRENCE: dict[str, Any] = {
    "occurs_at": "2030-01-31T01:30:00.000000Z",
    "verdict": "FIRED",
    "reason": "",
    "lateness_seconds": 0.4,
    "decided_at": "2030-01-31T01:30:00.400000Z",
    "task_id": TASK_OF_SCHEDULE["task_id"],
    "count": 1,
    "last_occurs_at": None,
    "revision": 1,
}
