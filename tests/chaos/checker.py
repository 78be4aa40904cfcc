"""Judges a history: every promise of the service, as a pure function. Each violation names the tasks it is about."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from tasks_app.lifecycle import TERMINAL, TRANSITIONS, Status
from tests.chaos import callbacks, ledger, promptness
from tests.chaos.history import Call, Change, History, Outcome, Run, TaskRow, Violation

CLOCK_SECONDS = 0.5
"""How far a handler's own note of its begin may differ from the database's clock: it is on the same machine, but its
process may lose the processor between the service's last look at the clock and the handler's first line."""

RECOVERY_SECONDS = 30.0
"""Beyond the lease: how long a task may stand still when nothing disturbs the service."""

NAMED = 20
"""Most ids that one violation names."""

CREATED_BY = ("submit", "batch", "retry")


def check(history: History) -> list[Violation]:
    """Every violation, worst kinds first; none for a run in which all promises were kept."""
    return [violation for rule in RULES for violation in rule(history)]


def _violation(kind: str, message: str, ids: Iterable[str]) -> Iterator[Violation]:
    found = tuple(dict.fromkeys(ids))
    if found:
        yield Violation(kind, f"{len(found)} {message}", found[:NAMED])


def _is_terminal(status: str | None) -> bool:
    return status in TERMINAL


def _rows(history: History) -> dict[str, TaskRow]:
    return {row.task_id: row for row in history.tasks}


def _maybe_deleted(history: History) -> set[str]:
    """Tasks that a client deleted, or may have."""
    deletes = (call for call in history.calls if call.kind == "delete" and call.outcome is not Outcome.FAILED)
    return {task_id for call in deletes for task_id in call.task_ids}


def _runs_by_task(history: History) -> dict[str, list[Run]]:
    by_task: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(history.runs, key=lambda run: run.begun):
        by_task[run.task_id].append(run)
    return by_task


def _changes_by_task(history: History) -> dict[str, list[Change]]:
    by_task: dict[str, list[Change]] = defaultdict(list)
    for change in history.changes:
        by_task[change.task_id].append(change)
    return by_task


def lost(history: History) -> Iterator[Violation]:
    """A task that was answered with 2xx exists, unless it was deleted."""
    rows, gone = _rows(history), _maybe_deleted(history)
    created = (
        task_id
        for call in history.calls
        if call.kind in CREATED_BY and call.outcome is Outcome.OK
        for task_id in call.task_ids
    )
    yield from _violation(
        "lost", "acknowledged tasks do not exist", (i for i in created if i not in rows and i not in gone)
    )


def unfinished(history: History) -> Iterator[Violation]:
    """Every task reaches a terminal status."""
    left = (row.task_id for row in history.tasks if not _is_terminal(row.status))
    yield from _violation("unfinished", "tasks never reached a terminal status", left)


def torn(history: History) -> Iterator[Violation]:
    """A submission of unknown outcome happened whole or not at all, a refused one not at all."""
    # A repetition of a finished task has the tags of that task.
    tagged = Counter(tag for row in history.tasks if row.retry_of is None for tag in row.tags)
    for call in history.calls:
        if call.kind not in ("submit", "batch"):
            continue
        allowed = {Outcome.FAILED: (0,), Outcome.UNKNOWN: (0, call.items)}.get(call.outcome, ())
        if tagged[call.label] > call.items:
            ids = [row.task_id for row in history.tasks if call.label in row.tags]
            yield from _violation("created_twice", f"tasks came of a {call.kind} of {call.items}", ids)
        elif allowed and tagged[call.label] not in allowed:
            message = f"of {call.items} tasks of a {call.outcome} {call.kind} exist"
            ids = [row.task_id for row in history.tasks if call.label in row.tags]
            yield from _violation("torn", message, ids)


def twice_acknowledged(history: History) -> Iterator[Violation]:
    """No two submissions are answered with the same task."""
    counted = Counter(
        task_id
        for call in history.calls
        if call.kind in CREATED_BY and call.outcome is Outcome.OK
        for task_id in call.task_ids
    )
    yield from _violation(
        "same_task", "ids were given to several tasks", (i for i, n in counted.items() if n > 1)
    )


def early(history: History) -> Iterator[Violation]:
    """Nothing is begun, or claimed, before its `run_at`; neither first attempts nor repetitions."""
    first_due = {change.task_id: change.run_at for change in history.changes if change.old is None}
    runs = (
        run.task_id
        for run in history.runs
        if run.begun < first_due.get(run.task_id, run.begun) - CLOCK_SECONDS
    )
    yield from _violation("early", "tasks were begun before their run_at", runs)
    claims = (c.task_id for c in history.changes if c.new == Status.STARTED and c.at < c.run_at)
    yield from _violation("early", "tasks were claimed before their run_at", claims)


def after_expiry(history: History) -> Iterator[Violation]:
    """Nothing is begun after its `expires_at`."""
    expiry = {row.task_id: row.expires_at for row in history.tasks if row.expires_at is not None}
    late = (r.task_id for r in history.runs if r.begun > expiry.get(r.task_id, r.begun) + CLOCK_SECONDS)
    yield from _violation("begun_after_expiry", "tasks were begun after their expires_at", late)


def after_cancel(history: History) -> Iterator[Violation]:
    """Nothing is begun after a client was told that it is cancelled, or deleted."""
    ended: dict[str, float] = {}
    for call in history.calls:
        is_final = call.kind == "delete" or (call.answer or {}).get("status") == Status.CANCELLED
        if call.outcome is Outcome.OK and call.kind in ("cancel", "delete") and is_final:
            ended.update(dict.fromkeys(call.task_ids, call.ended))
    late = (
        run.task_id for run in history.runs if run.begun > ended.get(run.task_id, run.begun) + CLOCK_SECONDS
    )
    yield from _violation(
        "begun_after_cancel", "tasks were begun after their cancellation was answered", late
    )


def again(history: History) -> Iterator[Violation]:
    """Nothing is begun after the end of its task was recorded."""
    ends = {row.task_id: row for row in history.tasks if row.finished_at is not None}
    late: dict[str, list[str]] = defaultdict(list)
    for run in history.runs:
        row = ends.get(run.task_id)
        if row is not None and row.finished_at is not None and run.begun > row.finished_at + CLOCK_SECONDS:
            late[row.status].append(run.task_id)
    for status, ids in late.items():
        kind = "run_after_success" if status == Status.SUCCESS else "run_after_end"
        yield from _violation(kind, f"tasks were begun after {status} was recorded", ids)


def attempts(history: History) -> Iterator[Violation]:
    """A task is begun at most `max_attempts` times, and each of its attempts at most once."""
    rows, by_task = _rows(history), _runs_by_task(history)
    over = (i for i, runs in by_task.items() if i in rows and len(runs) > rows[i].max_attempts)
    yield from _violation("too_many_attempts", "tasks were begun more often than max_attempts", over)
    doubled = (i for i, runs in by_task.items() if len({run.attempt for run in runs}) < len(runs))
    yield from _violation("attempt_twice", "tasks had one attempt begun twice", doubled)
    fences = Counter((row.task_id, row.fence) for row in history.attempts)
    yield from _violation(
        "attempt_twice", "tasks have two endings of one claim", (i for (i, _), n in fences.items() if n > 1)
    )
    beyond = (
        row.task_id
        for row in history.attempts
        if row.task_id in rows and row.number > rows[row.task_id].max_attempts
    )
    yield from _violation("too_many_attempts", "tasks have a recorded attempt beyond max_attempts", beyond)


def results(history: History) -> Iterator[Violation]:
    """A SUCCESS holds the result of the last attempt, and of a handler's run that came to its end."""
    ended = {run.nonce: run for run in history.runs if run.ended is not None and run.ok}
    stale, unknown = [], []
    for row in history.tasks:
        if row.status != Status.SUCCESS or not row.operation.startswith("chaos."):
            continue
        result = row.result if isinstance(row.result, dict) else {}
        run = ended.get(result.get("nonce", ""))
        if run is None or run.task_id != row.task_id or result.get("value") != row.arguments.get("value"):
            unknown.append(row.task_id)
        elif run.attempt != row.attempt:
            stale.append(row.task_id)
    yield from _violation("stale_result", "tasks hold the result of an attempt that was not the last", stale)
    yield from _violation("false_result", "tasks hold a result that no run of theirs returned", unknown)


def changed_after_end(history: History) -> Iterator[Violation]:
    """A terminal row never changes: neither in the table nor between what clients have read."""
    written = (change.task_id for change in history.changes if _is_terminal(change.old))
    yield from _violation("terminal_changed", "tasks were changed after their end", written)
    seen: dict[str, dict[str, object]] = {}
    differing = []
    for call in history.calls:
        if call.outcome is Outcome.OK and call.answer and _is_terminal(call.answer.get("status")):
            [task_id] = call.task_ids
            if seen.setdefault(task_id, _lasting(call)) != _lasting(call):
                differing.append(task_id)
    rows = _rows(history)
    differing += [i for i, answer in seen.items() if i in rows and rows[i].status != answer["status"]]
    yield from _violation("terminal_changed", "tasks read differently after their end", differing)


def _lasting(call: Call) -> dict[str, object]:
    # The list of attempts and what an answer adds to it are no part of the row.
    return {name: value for name, value in (call.answer or {}).items() if name != "attempts"}


def transitions(history: History) -> Iterator[Violation]:
    """Rows change as the lifecycle allows, a fence never goes down, and each claim has one of its own."""
    illegal, fell, shared, alive = [], [], [], []
    for change in history.changes:
        if change.old is None or change.new is None:
            continue
        if change.old != change.new and Status(change.new) not in TRANSITIONS[Status(change.old)]:
            illegal.append(change.task_id)
        if change.new_fence < change.old_fence:
            fell.append(change.task_id)
        if change.new == Status.STARTED != change.old and change.new_fence <= change.old_fence:
            shared.append(change.task_id)
        if change.lost and change.old_lease is not None and change.old_lease > change.at:
            alive.append(change.task_id)
    yield from _violation("illegal_transition", "tasks changed their status against the lifecycle", illegal)
    yield from _violation("fence_fell", "tasks had their fence lowered", fell)
    yield from _violation("fence_shared", "tasks were claimed without a fence of that claim's own", shared)
    yield from _violation("taken_alive", "tasks were taken from a worker that held their lease", alive)


def late(history: History) -> Iterator[Violation]:
    """Once nothing disturbs the service, a task that is due moves on within the lease and a bit."""
    limit = history.lease_seconds + RECOVERY_SECONDS
    slow = [task_id for task_id, seconds in standstills(history).items() if seconds > limit]
    yield from _violation("late", f"tasks stood still for more than {limit:g} s after the faults' end", slow)


def standstills(history: History) -> dict[str, float]:
    """For each task: its longest time without a change while it was due and the faults were over, in seconds."""
    longest: dict[str, float] = {}
    for task_id, changes in _changes_by_task(history).items():
        spans = zip(changes, [change.at for change in changes[1:]] + [history.quiet_at], strict=True)
        waits = [
            until - max(change.at, change.run_at, history.faults_ended)
            for change, until in spans
            if change.new is not None and not _is_terminal(change.new)
        ]
        longest[task_id] = max([0.0, *waits])
    return longest


def server_errors(history: History) -> Iterator[Violation]:
    """The only 5xx that a client may see is 503."""
    seen = Counter((c.kind, c.status) for c in history.calls if c.status is not None and c.status >= 500)
    for (kind, status), count in seen.items():
        if status != 503:
            yield Violation("server_error", f"{count} calls ({kind}) were answered with {status}")


Rule = Callable[[History], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    lost,
    unfinished,
    torn,
    twice_acknowledged,
    again,
    results,
    changed_after_end,
    transitions,
    attempts,
    early,
    after_expiry,
    after_cancel,
    *ledger.RULES,
    *callbacks.RULES,
    late,
    *promptness.RULES,
    server_errors,
)
