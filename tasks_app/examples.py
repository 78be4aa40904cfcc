"""Examples for the API's document."""

from typing import Any

NEW_TASK: dict[str, Any] = {"operation": "4+7", "priority": 3, "tags": ["invoices"], "max_attempts": 3}

TASK: dict[str, Any] = {
    "task_id": "0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f",
    "operation": "4+7",
    "arguments": {},
    "priority": 3,
    "queue": "tasks",
    "tags": ["invoices"],
    "unique_key": None,
    "batch_id": None,
    "status": "PENDING",
    "result": None,
    "error": None,
    "progress": None,
    "attempt": 0,
    "max_attempts": 3,
    "retry_backoff": "exponential",
    "retry_base_seconds": 2.0,
    "retry_cap_seconds": 3600.0,
    "run_at": "2030-01-31T12:00:00.000000Z",
    "expires_at": None,
    "timeout_seconds": 300.0,
    "callback_url": None,
    "task_schedule": None,
    "retry_of": None,
    "created_at": "2030-01-31T12:00:00.000000Z",
    "started_at": None,
    "finished_at": None,
    "cancel_requested_at": None,
}
STARTED_TASK = {
    **TASK,
    "status": "STARTED",
    "attempt": 1,
    "progress": {"done": 3, "total": 10, "note": "page 3"},
    "started_at": "2030-01-31T12:00:00.020000Z",
    "cancel_requested_at": "2030-01-31T12:00:00.500000Z",
}
FINISHED_TASK = {
    **TASK,
    "status": "SUCCESS",
    "result": 11,
    "attempt": 1,
    "started_at": "2030-01-31T12:00:00.020000Z",
    "finished_at": "2030-01-31T12:00:00.021000Z",
}
ATTEMPT = {
    "number": 1,
    "outcome": "SUCCESS",
    "worker": "worker@host/1234",
    "started_at": "2030-01-31T12:00:00.020000Z",
    "finished_at": "2030-01-31T12:00:00.021000Z",
    "runtime_seconds": 0.0004,
    "error": None,
}
BATCH_FAULT: dict[str, Any] = {
    "index": 1,
    "errors": [
        {"code": "required", "detail": "This field is required.", "pointer": "#/1/operation"},
    ],
}
BATCH: dict[str, Any] = {
    "tasks": [{**TASK, "batch_id": "0190b2a4-5f0e-7003-9d4b-5c6f7a8b9c0d"}],
    "errors": [BATCH_FAULT],
    "batch_id": "0190b2a4-5f0e-7003-9d4b-5c6f7a8b9c0d",
}
OPERATION = {
    "name": "arithmetic",
    "description": "Evaluates an expression.",
    "arguments_schema": {
        "type": "object",
        "properties": {"expression": {"type": "string"}},
        "required": ["expression"],
        "additionalProperties": False,
    },
    "timeout_seconds": None,
    "max_attempts": None,
    "queue": None,
    "quick": True,
    "retry_backoff": None,
    "retry_base_seconds": None,
    "retry_cap_seconds": None,
    "force_cancel": False,
}
