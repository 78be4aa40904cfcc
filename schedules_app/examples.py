"""Examples for the API's document. The keys of SCHEDULE, CALENDAR and BACKFILL are what answers show, in this order."""

from typing import Any

from tasks_app.examples import FINISHED_TASK

NEW_SCHEDULE: dict[str, Any] = {
    "name": "Nightly report",
    "operation": "4+7",
    "cron": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "starts_at": "2030-01-31T00:00:00+01:00",
    "schedule_x_times": 30,
    "overlap": "skip",
    "alert_after_failures": 3,
}
_RECURRENCE: dict[str, Any] = {
    "every_x_days": None,
    "every_x_hours": None,
    "every_x_minutes": None,
    "every_x_seconds": None,
    "cron": "30 2 * * *",
    "rrule": None,
    "timezone": "Europe/Berlin",
    "starts_at": "2030-01-30T23:00:00.000000Z",
    "ends_at": None,
    "schedule_x_times": 30,
    "gap": "shift",
    "fold": "first",
    "excluded_dates": [],
    "calendars": [],
    "roll": "skip",
    "jitter_seconds": 0,
}
_POLICIES: dict[str, Any] = {
    "catch_up": "latest",
    "catch_up_window_seconds": None,
    "catch_up_limit": 100,
    "overlap": "skip",
    "expires_after_seconds": None,
    "alert_after_failures": 3,
    "expect_success_by": None,
}
_STATE: dict[str, Any] = {
    "status": "ACTIVE",
    "next_run_at": "2030-02-01T01:30:00.000000Z",
    "last_run_at": "2030-01-31T01:30:00.000000Z",
    "tasks_created": 1,
    "buffered_count": 0,
    "overrides": [],
    "alerts": [],
    "consecutive_failures": 0,
    "last_success_at": "2030-01-31T01:30:00.021000Z",
    "last_failure_at": None,
    "success_overdue_since": None,
    "paused_at": None,
    "paused_until": None,
    "pause_note": "",
    "revision": 1,
    "created_at": "2030-01-30T12:00:00.000000Z",
    "updated_at": "2030-01-30T12:00:00.000000Z",
}
SCHEDULE: dict[str, Any] = {
    "task_schedule_id": "0190b2a4-6a10-7b2c-9d3e-4b5c6d7e8f90",
    "name": "Nightly report",
    "description": "At 02:30, Europe/Berlin time, from 2030-01-31 00:00",
    "operation": "4+7",
    "arguments": {},
    "priority": 5,
    "queue": "tasks",
    "tags": [],
    "max_attempts": 3,
    "timeout_seconds": 300.0,
    "callback_url": None,
    **_RECURRENCE,
    **_POLICIES,
    **_STATE,
}
NEWLY_CREATED = {
    **SCHEDULE,
    "next_run_at": "2030-01-31T01:30:00.000000Z",
    "last_run_at": None,
    "tasks_created": 0,
    "last_success_at": None,
}
PAUSED_SCHEDULE = {
    **SCHEDULE,
    "status": "PAUSED",
    "paused_at": "2030-01-31T12:00:00.000000Z",
    "paused_until": "2030-02-01T06:00:00.000000Z",
    "pause_note": "The invoice system is down.",
}
_BY_HAND = {"description": f"{SCHEDULE['description']}; 1 occurrence changed by hand"}
SKIPPED_SCHEDULE = {
    **SCHEDULE,
    **_BY_HAND,
    "overrides": [{"occurs_at": "2030-02-01T01:30:00.000000Z", "moved_to": None}],
    "next_run_at": "2030-02-02T01:30:00.000000Z",
}
MOVED_SCHEDULE = {
    **SCHEDULE,
    **_BY_HAND,
    "overrides": [{"occurs_at": "2030-02-01T01:30:00.000000Z", "moved_to": "2030-02-01T03:00:00.000000Z"}],
    "next_run_at": "2030-02-01T03:00:00.000000Z",
}
TASK_OF_SCHEDULE = {**FINISHED_TASK, "task_schedule": SCHEDULE["task_schedule_id"]}
OCCURRENCE: dict[str, Any] = {
    "occurs_at": "2030-01-31T01:30:00.000000Z",
    "verdict": "FIRED",
    "reason": "",
    "origin": "schedule",
    "lateness_seconds": 0.4,
    "decided_at": "2030-01-31T01:30:00.400000Z",
    "task_id": TASK_OF_SCHEDULE["task_id"],
    "task_status": "SUCCESS",
    "task_finished_at": "2030-01-31T01:30:00.421000Z",
    "count": 1,
    "last_occurs_at": None,
    "revision": 1,
}
SKIPPED_RUN = {
    **OCCURRENCE,
    "occurs_at": "2030-01-31T12:00:00.000000Z",
    "verdict": "SKIPPED",
    "reason": "overlap",
    "origin": "manual",
    "lateness_seconds": 0.0,
    "decided_at": "2030-01-31T12:00:00.000000Z",
    "task_id": None,
    "task_status": None,
    "task_finished_at": None,
}
PREVIEW: dict[str, Any] = {
    "description": "At 06:30, Monday through Friday, Europe/Berlin time, from 2030-12-24 00:00; not on 2030-12-25",
    "occurrences": [
        {
            "occurs_at": "2030-12-24T05:30:00.000000Z",
            "local_time": "2030-12-24T06:30:00+01:00",
            "fires": True,
            "starts_at": "2030-12-24T05:30:00.000000Z",
            "notes": [],
        },
        {
            "occurs_at": "2030-12-25T05:30:00.000000Z",
            "local_time": "2030-12-25T06:30:00+01:00",
            "fires": False,
            "starts_at": None,
            "notes": ["excluded"],
        },
    ],
}
CHANGED_SCHEDULE: dict[str, Any] = {
    **SCHEDULE,
    "description": "At 03:30, Europe/Berlin time, from 2030-01-31 00:00",
    "cron": "30 3 * * *",
    "next_run_at": "2030-02-01T02:30:00.000000Z",
    "revision": 2,
}
DRY_RUN: dict[str, Any] = {
    "schedule": CHANGED_SCHEDULE,
    "until": "2030-03-02T12:00:00.000000Z",
    "truncated": False,
    "added": [],
    "removed": [],
    "moved": [{"occurs_at": "2030-02-01T01:30:00.000000Z", "to": "2030-02-01T02:30:00.000000Z"}],
}
BACKFILL: dict[str, Any] = {
    "backfill_id": "0190b2a4-7b20-7c3d-8e4f-5a6b7c8d9e0f",
    "task_schedule": SCHEDULE["task_schedule_id"],
    "from": "2030-01-01T00:00:00.000000Z",
    "to": "2030-01-15T00:00:00.000000Z",
    "priority": 9,
    "status": "RUNNING",
    "total": 14,
    "tasks_created": 5,
    "already_fired": 1,
    "created_at": "2030-01-31T12:00:00.000000Z",
    "finished_at": None,
}
CANCELLED_BACKFILL = {**BACKFILL, "status": "CANCELLED", "finished_at": "2030-01-31T12:00:02.000000Z"}
BACKFILL_DRY_RUN: dict[str, Any] = {
    "total": 14,
    "first": "2030-01-01T01:30:00.000000Z",
    "last": "2030-01-14T01:30:00.000000Z",
}
NEW_CALENDAR: dict[str, Any] = {
    "name": "de-holidays",
    "description": "Public holidays",
    "dates": ["2030-12-25", "2030-12-26"],
    "rrules": ["FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1"],
}
CALENDAR: dict[str, Any] = {
    **NEW_CALENDAR,
    "revision": 1,
    "created_at": "2030-01-30T12:00:00.000000Z",
    "updated_at": "2030-01-30T12:00:00.000000Z",
}
_RUSH = {"minute": "2030-01-31T01:30:00.000000Z", "tasks": 240}
FORECAST: dict[str, Any] = {
    "until": "2030-01-31T12:00:00.000000Z",
    "truncated": False,
    "total": 252,
    "peak": _RUSH,
    "minutes": [{"minute": "2030-01-30T13:00:00.000000Z", "tasks": 12}, _RUSH],
}
