"""What a run leaves behind, as plain records: the checker needs nothing else. Times are seconds since 1970."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What a client knows of its call."""

    OK = "ok"  # answered with 2xx
    FAILED = "failed"  # refused: answered with 4xx, or never sent
    UNKNOWN = "unknown"  # a timeout, a cut connection or a 5xx: it may have happened or not


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request. `label` is the tag (or the name) of whatever it creates; `items` how many tasks."""

    kind: str  # submit, batch, schedule, read, cancel, retry, delete
    begun: float
    ended: float
    outcome: Outcome
    status: int | None = None
    task_ids: tuple[str, ...] = ()
    label: str = ""
    items: int = 0
    answer: dict[str, Any] | None = None
    """Of a read or a cancel: the task as it was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a handler, as the handler wrote it down; no `ended`: it never came to its end."""

    task_id: str
    attempt: int
    nonce: str
    pid: int
    begun: float
    ended: float | None = None
    ok: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task's row after the run."""

    task_id: str
    operation: str
    status: str
    attempt: int
    max_attempts: int
    run_at: float
    created_at: float
    finished_at: float | None = None
    expires_at: float | None = None
    result: Any = None
    arguments: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    task_schedule: str | None = None
    retry_of: str | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRow:
    """The note of a task's end that is to be told, and the task that tells it."""

    task_id: str
    number: int
    delivery_task_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """The record of an ended attempt."""

    task_id: str
    number: int
    fence: int
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One committed change of a task's row, as a trigger of the harness wrote it down.

    `old` is None for a new row, `new` for a deleted one. `run_at` and `expires_at` are those of the row then.
    """

    task_id: str
    at: float
    old: str | None
    new: str | None
    old_fence: int = 0
    new_fence: int = 0
    lost: bool = False
    """The worker was declared dead by this change."""
    old_lease: float | None = None
    run_at: float = 0.0
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """A task schedule that occurs every so many hours from `starts_at` on."""

    schedule_id: str
    name: str
    starts_at: float
    hours: int
    times: int | None = None
    ends_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceRow:
    """A verdict of the ledger; `count` above 1 stands for a run of skipped occurrences."""

    schedule_id: str
    occurs_at: float
    verdict: str
    task_id: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that was injected, from when until when, and the processes that it ended."""

    kind: str
    detail: str
    begun: float
    ended: float
    killed: tuple[int, ...] = ()


@dataclass(slots=True, kw_only=True)
class History:
    """One whole run."""

    lease_seconds: float
    faults_ended: float
    quiet_at: float
    """When nothing was left to do, or when the harness ran out of patience."""
    calls: list[Call] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    callbacks: list[CallbackRow] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    schedules: list[ScheduleRow] = field(default_factory=list)
    occurrences: list[OccurrenceRow] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and for which tasks (or schedules)."""

    kind: str
    message: str
    ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" + (f" [{', '.join(self.ids)}]" if self.ids else "")
