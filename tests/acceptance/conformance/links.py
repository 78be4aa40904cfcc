"""Which answer leads to which request: the links that Swagger 2.0 has no word for."""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]

TASK = ("tasks_read", "tasks_delete", "tasks_cancel", "tasks_retry", "tasks_callbacks")
SCHEDULE = (
    "task_schedules_read",
    "task_schedules_update",
    "task_schedules_delete",
    "task_schedules_pause",
    "task_schedules_resume",
    "task_schedules_trigger",
    "task_schedules_skip_next",
    "task_schedules_preview",
    "task_schedules_tasks",
    "task_schedules_occurrences",
    "task_schedules_backfills_list",
    "task_schedules_backfills_create",
)
CALENDAR = ("calendars_read", "calendars_update", "calendars_delete")
BACKFILL = ("task_schedules_backfills_read", "task_schedules_backfills_cancel")

# operationId and status -> where its answer has the id, and what can be done with it
TASK_IDS = {
    ("tasks_create", "202"): "$response.body#/task_id",
    ("tasks_create", "200"): "$response.body#/task_id",
    ("tasks_list", "200"): "$response.body#/results/0/task_id",
    ("tasks_retry", "202"): "$response.body#/task_id",
    ("tasks_batch_request", "202"): "$response.body#/tasks/0/task_id",
    ("task_schedules_trigger", "201"): "$response.body#/task_id",
    ("task_schedules_tasks", "200"): "$response.body#/results/0/task_id",
}
SCHEDULE_IDS = {
    ("task_schedules_create", "201"): "$response.body#/task_schedule_id",
    ("task_schedules_list", "200"): "$response.body#/results/0/task_schedule_id",
    ("task_schedules_pause", "200"): "$response.body#/task_schedule_id",
    ("task_schedules_skip_next", "200"): "$response.body#/task_schedule_id",
    ("task_schedules_move", "200"): "$response.body#/task_schedule_id",
}
CALENDAR_NAMES = {
    ("calendars_create", "201"): "$response.body#/name",
    ("calendars_list", "200"): "$response.body#/results/0/name",
}
THIS_SCHEDULE = "$request.path.schedule_id"
CURSOR = r"$response.body#/next#regex:cursor=([^&]+)"


def add(document: Document) -> None:
    """Write the links into the document, where Schemathesis looks for them in Swagger 2.0."""
    operations = {operation["operationId"]: operation for operation in _operations(document)}
    for source, status, target, parameters, body in [*_by_id(), *_of_occurrences(), *_of_others()]:
        link: Document = {"operationId": target, "parameters": parameters}
        if body is not None:
            link["requestBody"] = body
        named = operations[source]["responses"][status].setdefault("x-links", {})
        named[f"{target} {len(named)}"] = link


Link = tuple[str, str, str, dict[str, str], Any]


def _by_id() -> Iterator[Link]:
    for ids, name, targets in (
        (TASK_IDS, "task_id", TASK),
        (SCHEDULE_IDS, "schedule_id", SCHEDULE),
        (CALENDAR_NAMES, "name", CALENDAR),
    ):
        for (source, status), expression in ids.items():
            yield from ((source, status, target, {name: expression}, None) for target in targets)
    for source, status, where in (
        ("task_schedules_backfills_create", "202", "$response.body#/backfill_id"),
        ("task_schedules_backfills_list", "200", "$response.body#/results/0/backfill_id"),
    ):
        parameters = {"schedule_id": THIS_SCHEDULE, "backfill_id": where}
        yield from ((source, status, target, parameters, None) for target in BACKFILL)


def _of_occurrences() -> Iterator[Link]:
    """A skip, a move, and taking them back."""
    here = {"schedule_id": THIS_SCHEDULE}
    first = "$response.body#/occurrences/0/occurs_at"
    created = {"schedule_id": "$response.body#/task_schedule_id"}
    moved = "$response.body#/overrides/0/occurs_at"
    yield "task_schedules_preview", "200", "task_schedules_move", here, {"occurs_at": first}
    yield (
        "task_schedules_create",
        "201",
        "task_schedules_move",
        created,
        {"occurs_at": "$response.body#/next_run_at"},
    )
    for source in ("task_schedules_skip_next", "task_schedules_move"):
        yield source, "200", "task_schedules_restore", here, {"occurs_at": moved}


def _of_others() -> Iterator[Link]:
    calendar = {"calendars": ["$response.body#/name"]}
    yield "calendars_create", "201", "task_schedules_create", {}, calendar
    revision = {"schedule_id": "$response.body#/task_schedule_id", "If-Match": "$response.header.ETag"}
    for target in ("task_schedules_update", "task_schedules_delete"):
        yield "task_schedules_create", "201", target, revision, None
        yield "task_schedules_read", "200", target, revision, None
    known = {"schedule_id": THIS_SCHEDULE, "If-None-Match": "$response.header.ETag"}
    yield "task_schedules_read", "200", "task_schedules_read", known, None


_INSTANT = {"type": "string", "format": "date-time"}
_INSTANTS = {"type": "array", "items": _INSTANT}
_MOVE = {
    "type": "object",
    "required": ["occurs_at", "to"],
    "properties": {"occurs_at": _INSTANT, "to": _INSTANT},
}
DRY_RUN = {
    "type": "object",
    "required": ["schedule", "until", "truncated", "added", "removed", "moved"],
    "properties": {
        "schedule": {"$ref": "#/definitions/TaskSchedule"},
        "until": _INSTANT,
        "truncated": {"type": "boolean"},
        "added": _INSTANTS,
        "removed": _INSTANTS,
        "moved": {"type": "array", "items": {**_MOVE, "additionalProperties": False}},
    },
    "additionalProperties": False,
}
"""What a dry run answers. The document tells it in words: Swagger 2.0 has no `oneOf`."""


def add_dry_run(document: Document) -> None:
    """Let a change be answered in both ways."""
    answer = document["paths"]["/task-schedules/{schedule_id}/"]["patch"]["responses"]["200"]
    answer["schema"] = {"anyOf": [answer["schema"], DRY_RUN]}


def close(document: Document) -> None:
    """Take a field of an answer that the document has not for a fault: it is to be whole."""
    for schema in document["definitions"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)


def _operations(document: Document) -> Iterator[Document]:
    for path in document["paths"].values():
        yield from (one for one in path.values() if isinstance(one, dict) and "operationId" in one)
