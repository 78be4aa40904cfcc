"""Judges callbacks: each end of a task that wants to be told is told by exactly one task, and as it was."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tasks_app.lifecycle import TERMINAL
from tests.chaos.history import History, TaskRow, Violation

URL = "http://127.0.0.1:9/"
"""Where nobody listens: that the task which tells it ends is enough."""
SETTINGS = {
    "HTTP_ALLOWED_HOSTS": "127.0.0.1:9",
    "CALLBACK_MAX_ATTEMPTS": "2",
    "CALLBACK_RETRY_BASE_SECONDS": "0.2",
}


def _violations(kind: str, message: str, ids: list[str]) -> Iterator[Violation]:
    if ids:
        yield Violation(kind, f"{len(ids)} {message}", tuple(ids[:20]))


def _told_of(row: TaskRow) -> dict[str, Any] | None:
    """What a task tells of another one's end; None if it tells of none."""
    body = row.arguments.get("json") if row.operation == "http.request" else None
    return body["data"] if isinstance(body, dict) else None


def told_once(history: History) -> Iterator[Violation]:
    """Every end with a `callback_url` has one note and one task, and there are no others."""
    wanted = {row.task_id for row in history.tasks if row.callback_url and row.status in TERMINAL}
    there = {row.task_id for row in history.tasks}
    noted = {note.task_id for note in history.callbacks if note.delivery_task_id in there}
    told = Counter(data["task_id"] for row in history.tasks if (data := _told_of(row)))
    yield from _violations("untold", "ends were not told", sorted(wanted - (noted & told.keys())))
    yield from _violations(
        "told_twice", "ends were told twice", [key for key, times in told.items() if times > 1]
    )
    unwanted = {note.task_id for note in history.callbacks} | told.keys()
    yield from _violations(
        "told_unasked", "tasks were told that had not ended, or did not ask", sorted(unwanted - wanted)
    )


def told_truly(history: History) -> Iterator[Violation]:
    """What is told of an end is what the table says."""
    ends = {row.task_id: (row.status, row.attempt) for row in history.tasks}
    wrong = [
        data["task_id"]
        for row in history.tasks
        if (data := _told_of(row)) and (data["status"], data["attempt"]) != ends.get(data["task_id"])
    ]
    yield from _violations("told_wrong", "ends were told otherwise than they are", wrong)


RULES: tuple[Callable[[History], Iterator[Violation]], ...] = (told_once, told_truly)
