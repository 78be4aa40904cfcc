"""The values that pass between HTTP, store and runner. Plain data: no Django model, no behaviour."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import Any, NamedTuple
from uuid import UUID

from access_app.principals import DEFAULT_PROJECT
from tasks_app.ids import new_id
from tasks_app.lifecycle import Backoff, Outcome, Status

JSON = Any


# Not frozen, though nobody changes one: that takes nearly twice as long to make, a thousand times in a batch.
@dataclass(kw_only=True, slots=True)
class NewTask:
    """A task to be stored. `run_at=None` means now; times are aware."""

    operation: str
    max_attempts: int
    timeout_seconds: float
    arguments: dict[str, JSON] = field(default_factory=dict)
    priority: int = 5
    queue: str = "tasks"
    tags: Sequence[str] = ()
    run_at: datetime | None = None
    expires_at: datetime | None = None
    task_schedule: UUID | None = None
    retry_of: UUID | None = None
    backoff: Backoff = field(default_factory=Backoff)
    unique_key: str | None = None
    """At most one unfinished task of the project has it."""
    project_id: int = DEFAULT_PROJECT
    batch_id: UUID | None = None
    callback_url: str | None = None
    task_id: UUID = field(default_factory=new_id)


class Alike(NamedTuple):
    """New tasks without keys, by the names of their columns: for a batch, whose tasks have most of them alike.

    `arguments` and `tags` are JSON texts. What no column says is left to the moment of creation, or is none.
    """

    size: int
    same: dict[str, Any]
    """What all of them have."""
    each: dict[str, Sequence[Any]]
    """Where they differ: a value for each, in their order."""

    def column(self, name: str) -> Iterable[Any]:
        """The values of a column, one for each."""
        return self.each[name] if name in self.each else repeat(self.same.get(name), self.size)


class TaskRow(NamedTuple):
    """A new task as its row in the table: for who stores thousands and knows every column (`insertion.NEW`)."""

    task_id: UUID | str
    operation: str
    arguments: JSON
    priority: int
    queue: str
    tags: JSON
    status: Status
    max_attempts: int
    retry_backoff: str
    retry_base_seconds: float
    retry_cap_seconds: float
    timeout_seconds: float
    run_at: datetime
    expires_at: datetime | None
    created_at: datetime
    task_schedule: UUID | str | None = None
    retry_of: UUID | None = None
    unique_key: None = None
    project_id: int = DEFAULT_PROJECT
    batch_id: UUID | None = None
    callback_url: str | None = None


# Claims and endings are tuples, because thousands of them are made in a second: a frozen dataclass takes four times
# as long to make.
class Claim(NamedTuple):
    """A worker's hold on a task: what it needs to run one attempt. `fence` names this claim and no other."""

    task_id: UUID
    fence: int
    queue: str
    operation: str
    arguments_json: str
    """As the database spells them: the operation's signature reads them from there."""
    attempt: int
    max_attempts: int
    timeout_seconds: float
    backoff: Backoff = Backoff()
    expires_in: float | None = None
    """Seconds from the claim until `expires_at`, by the database's clock."""
    others_wait: bool | None = None
    """Whether tasks waited in the queue that this claim has not taken; None: unknown."""
    waited: float | None = None
    """Seconds from `run_at` until the claim, by the database's clock; None: unknown."""
    is_told: bool = False
    """Whether somebody is to be told of the task's end."""


class Ending(NamedTuple):
    """How a claimed attempt ended and what becomes of its task."""

    claim: Claim
    outcome: Outcome
    status: Status
    wait_seconds: float = 0.0
    """For RETRY: how long the task waits, from the moment this is written."""
    result: JSON = None
    error: dict[str, JSON] | None = None
    runtime_seconds: float | None = None
