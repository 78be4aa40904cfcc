"""A small good history, by hand, for tests to spoil."""

from dataclasses import replace

from tests.chaos.checker import check
from tests.chaos.history import (
    AttemptRow,
    Call,
    Change,
    History,
    OccurrenceRow,
    Outcome,
    Run,
    ScheduleRow,
    TaskRow,
)

TASK, OTHER, SCHEDULE = "task-1", "task-2", "schedule-1"


def a_call(kind: str = "submit", **values: object) -> Call:
    facts: dict[str, object] = {"outcome": Outcome.OK, "status": 202, "begun": 100.0, "ended": 100.1}
    return Call(kind=kind, **{**facts, "task_ids": (TASK,), "items": 1, "label": "a", **values})  # type: ignore[arg-type]


def a_run(**values: object) -> Run:
    facts: dict[str, object] = {"task_id": TASK, "attempt": 1, "nonce": "n1", "pid": 7, "begun": 101.0}
    return Run(**{**facts, "ended": 101.5, "ok": True, **values})  # type: ignore[arg-type]


def a_row(**values: object) -> TaskRow:
    facts: dict[str, object] = {
        "task_id": TASK,
        "operation": "chaos.quick",
        "status": "SUCCESS",
        "attempt": 1,
        "max_attempts": 3,
        "run_at": 100.0,
        "created_at": 100.0,
        "finished_at": 101.6,
        "result": {"value": 5, "attempt": 1, "nonce": "n1"},
        "arguments": {"value": 5},
        "tags": ("a",),
    }
    return TaskRow(**{**facts, **values})  # type: ignore[arg-type]


def changes() -> list[Change]:
    """Created, claimed, finished."""
    steps = [
        (100.0, None, "PENDING", 0, 0),
        (100.9, "PENDING", "STARTED", 0, 1),
        (101.6, "STARTED", "SUCCESS", 1, 1),
    ]
    return [
        Change(task_id=TASK, at=at, old=old, new=new, old_fence=before, new_fence=after, run_at=100.0)
        for at, old, new, before, after in steps
    ]


def good(**values: object) -> History:
    """A task that ran once, and a schedule that has fired once."""
    history = History(
        lease_seconds=6,
        faults_ended=150.0,
        quiet_at=200.0,
        calls=[a_call(), a_call("schedule", task_ids=(SCHEDULE,), label="s", items=0)],
        runs=[a_run()],
        tasks=[a_row()],
        attempts=[AttemptRow(task_id=TASK, number=1, fence=1, outcome="SUCCESS")],
        changes=changes(),
        schedules=[ScheduleRow(schedule_id=SCHEDULE, name="s", starts_at=120.0, hours=1)],
        occurrences=[OccurrenceRow(schedule_id=SCHEDULE, occurs_at=120.0, verdict="FIRED", task_id=OTHER)],
    )
    fired = a_row(task_id=OTHER, task_schedule=SCHEDULE, run_at=120.0, operation="1+1", tags=(), result=2)
    history.tasks.append(fired)
    history.changes.append(Change(task_id=OTHER, at=120.1, old=None, new="PENDING", run_at=120.0))
    history.changes.append(replace(history.changes[2], task_id=OTHER, at=121.0))
    return replace(history, **values)  # type: ignore[arg-type]


def kinds(history: History) -> set[str]:
    return {violation.kind for violation in check(history)}


def with_task(**values: object) -> History:
    history = good()
    return replace(history, tasks=[replace(history.tasks[0], **values), *history.tasks[1:]])  # type: ignore[arg-type]


def with_change(number: int, **values: object) -> History:
    history = good()
    changed = replace(history.changes[number], **values)  # type: ignore[arg-type]
    return replace(history, changes=[*history.changes[:number], changed, *history.changes[number + 1 :]])
