"""What is counted of tasks. Called once for each slice, batch or sweep: a drain has a few microseconds for a task."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Any, ParamSpec
from uuid import UUID

from django.conf import settings
from django.db import transaction

from scheduler_service.config import CALLBACK_QUEUE
from scheduler_service.metrics import catalog, counts
from scheduler_service.metrics.names import Names
from tasks_app.lifecycle import TERMINAL
from tasks_app.operations import is_registered, registered
from tasks_app.records import Alike, Ending

Kind = tuple[str, str, str]
"""Operation, queue and status of tasks."""

logger = logging.getLogger(__name__)
P = ParamSpec("P")

ARITHMETIC, UNKNOWN = "arithmetic", "unknown"
AN_EXPRESSION = "0"

_first = itemgetter(0)

_facts = attrgetter("claim.operation", "claim.queue", "status", "outcome")


def _quietly(count: Callable[P, None]) -> Callable[P, None]:
    """Counting must not end what is counted."""

    @wraps(count)
    def counted(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            count(*args, **kwargs)
        except Exception:
            logger.exception("Something was not counted")

    return counted


@_quietly
def created(kinds: Iterable[Kind]) -> None:
    """Tasks were stored, if the transaction is committed."""
    _count_committed(catalog.TASKS_CREATED, _tally(kinds))


@_quietly
def created_alike(new: Alike) -> None:
    """As `created`, for tasks that are kept by columns."""
    columns = {name: new.column(name) for name in ("operation", "queue", "status")}
    differing = set(columns) & new.each.keys()
    # A batch of expressions has as many operations as tasks, which are one kind.
    if "operation" in differing and not any(map(str.isalpha, set(map(_first, new.each["operation"])))):
        columns["operation"] = repeat(AN_EXPRESSION, new.size)
        differing.discard("operation")
    kinds = zip(*columns.values(), strict=True)
    _count_committed(catalog.TASKS_CREATED, Counter(kinds) if differing else {next(kinds): new.size})


@_quietly
def finished(kinds: Iterable[Kind]) -> None:
    """Tasks ended without an attempt, if the transaction is committed."""
    _count_committed(catalog.TASKS_FINISHED, _tally(kinds))


@_quietly
def ended(endings: Sequence[Ending]) -> None:
    """Attempts ended, and this is written."""
    if not endings:
        return
    facts = _labelled(_tally(map(_facts, endings)))
    changes = _times(facts, endings)
    for (operation, queue, status, outcome), number in facts.items():
        changes.append(((catalog.ATTEMPTS.name, operation, str(outcome)), number))
        if status in TERMINAL:
            key = (catalog.TASKS_FINISHED.name, operation, queue_label(queue), str(status))
            changes.append((key, number))
    counts.add(changes)


@_quietly
def rescued(endings: Sequence[Ending], won: set[UUID]) -> None:
    """Leases had run out, and the tasks were taken whose attempts these are, if they could be."""
    mine = [ending for ending in endings if ending.claim.task_id in won]
    if endings:
        found = {catalog.LEASES_EXPIRED: len(endings), catalog.TASKS_RESCUED: len(mine)}
        counts.add([((metric.name,), float(number)) for metric, number in found.items()])
        ended(mine)


@_quietly
def rang(result: str) -> None:
    """A message was sent to the broker, or not."""
    counts.add([((catalog.RINGS.name, result), 1.0)])


@_quietly
def left_out(tasks: int) -> None:
    """Flower was not told of tasks that ended."""
    counts.add([((catalog.FLOWER_LEFT_OUT.name,), float(tasks))])


def queue_label(name: str) -> str:
    """What stands for a queue: its name, as long as there are not too many."""
    return _names().label(name)


def _times(facts: Mapping[Any, int], endings: Sequence[Ending]) -> list[counts.Change]:
    # Mostly all of a slice are of one operation, and of one queue in any case.
    changes: list[counts.Change] = []
    operations, queues = {fact[0] for fact in facts}, {fact[1] for fact in facts}
    for label, some in _parted(endings, operations, lambda ending: operation_label(ending.claim.operation)):
        runs = [ending.runtime_seconds for ending in some if ending.runtime_seconds is not None]
        changes += counts.observations(catalog.TASK_RUN, (label,), runs)
    for name, some in _parted(endings, queues, attrgetter("claim.queue")):
        waits = [ending.claim.waited for ending in some if ending.claim.waited is not None]
        changes += counts.observations(catalog.TASK_WAIT, (queue_label(name),), waits)
    return changes


def _parted(endings: Sequence[Ending], values: set[str], of: Any) -> Iterable[tuple[str, Sequence[Ending]]]:
    if len(values) == 1:
        return [(value, endings) for value in values]
    parts: dict[str, list[Ending]] = defaultdict(list)
    for ending in endings:
        parts[of(ending)].append(ending)
    return parts.items()


def _tally(things: Iterable[Any]) -> Mapping[Any, int]:
    given = list(things)
    # A Counter takes longer to make than to count one task.
    return {given[0]: 1} if len(given) == 1 else Counter(given)


def _labelled(found: Mapping[Any, int]) -> dict[Any, int]:
    """What begins with a task's operation, by the label of that."""
    sums: dict[Any, int] = {}
    for fact, number in found.items():
        key = (operation_label(fact[0]), *fact[1:])
        sums[key] = sums.get(key, 0) + number
    return sums


def _count_committed(metric: catalog.Metric, found: Mapping[Kind, int]) -> None:
    if not found:
        return
    changes = [
        ((metric.name, operation, queue_label(queue), str(status)), number)
        for (operation, queue, status), number in _labelled(found).items()
    ]
    transaction.on_commit(lambda: counts.add(changes), robust=True)


def operation_label(text: str) -> str:
    """What stands for a task's operation: its name if it is registered, else what it is."""
    if is_registered(text):
        return text
    return UNKNOWN if text[:1].isalpha() else ARITHMETIC


_of_folder: tuple[object, Names] | None = None


def _names() -> Names:
    global _of_folder
    folder = counts.folder()
    # By identity: to compare paths takes longer than to count.
    if _of_folder is None or _of_folder[0] is not folder:
        declared = {known.queue for known in registered() if known.queue}
        own = {"tasks", CALLBACK_QUEUE, *settings.CONFIG.dedicated_queues, *declared}
        _of_folder = (folder, Names(folder, own))
    return _of_folder[1]
