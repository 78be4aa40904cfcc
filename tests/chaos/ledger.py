"""The checker's rules for task schedules: one verdict and at most one task per occurrence, and none missing."""

from collections import Counter
from collections.abc import Callable, Iterator

from tests.chaos.history import History, Outcome, ScheduleRow, Violation

HOUR = 3600.0
SETTLE_SECONDS = 5.0
"""An occurrence this young at the end of a run may still be without its verdict."""


def acknowledged(history: History) -> Iterator[Violation]:
    """A schedule that was answered with 2xx exists, a refused one does not, and none exists twice."""
    named = Counter(row.name for row in history.schedules)
    for call in history.calls:
        if call.kind != "schedule":
            continue
        allowed = {Outcome.OK: (1,), Outcome.FAILED: (0,)}.get(call.outcome, (0, 1))
        if named[call.label] not in allowed:
            message = f"{call.label} was {call.outcome}, but exists {named[call.label]} times"
            yield Violation("schedule_lost", message, call.task_ids)


def once(history: History) -> Iterator[Violation]:
    """Each nominal time of a schedule has at most one verdict and at most one task."""
    verdicts = Counter((row.schedule_id, row.occurs_at) for row in history.occurrences)
    tasks = Counter((row.task_schedule, row.run_at) for row in _scheduled(history))
    for what, counted in (("verdicts", verdicts), ("tasks", tasks)):
        ids = sorted({str(key) for (key, _), number in counted.items() if number > 1})
        if ids:
            yield Violation(
                "occurrence_twice", f"{len(ids)} schedules have two {what} for one time", tuple(ids)
            )


def complete(history: History) -> Iterator[Violation]:
    """Each occurrence up to the end of the run has its verdict, and no other time has one."""
    decided: dict[str, set[float]] = {}
    for row in history.occurrences:
        decided.setdefault(row.schedule_id, set()).add(round(row.occurs_at, 3))
    for schedule in history.schedules:
        found = decided.get(schedule.schedule_id, set())
        due = _occurrences(schedule, history.quiet_at - SETTLE_SECONDS)
        young = _occurrences(schedule, history.quiet_at)
        if missing := due - found:
            yield _about("occurrence_missing", schedule, f"{len(missing)} occurrences have no verdict")
        if surplus := found - young:
            yield _about("occurrence_surplus", schedule, f"{len(surplus)} verdicts are on no occurrence")


def fired(history: History) -> Iterator[Violation]:
    """A fired occurrence has exactly its task, and a schedule's task has its occurrence."""
    created = {change.task_id for change in history.changes if change.old is None}
    named = {row.task_id for row in history.occurrences if row.task_id is not None}
    if lost := sorted(named - created):
        yield Violation("occurrence_without_task", f"{len(lost)} fired occurrences have no task", tuple(lost))
    if stray := sorted({row.task_id for row in _scheduled(history)} - named):
        yield Violation(
            "task_without_occurrence", f"{len(stray)} tasks of schedules have no verdict", tuple(stray)
        )
    skipped = sorted({row.schedule_id for row in history.occurrences if row.verdict == "SKIPPED"})
    if skipped:
        # The harness configures a window that no outage of its own exceeds.
        yield Violation(
            "occurrence_skipped", f"{len(skipped)} schedules left out an occurrence", tuple(skipped)
        )


def _scheduled(history: History) -> list:
    # A repeated task names the schedule of the task that it repeats; it is none of the schedule's own.
    return [row for row in history.tasks if row.task_schedule is not None and row.retry_of is None]


def _occurrences(schedule: ScheduleRow, until: float) -> set[float]:
    step = schedule.hours * HOUR
    end = until if schedule.ends_at is None else min(until, schedule.ends_at)
    count = int((end - schedule.starts_at) // step) + 1 if end >= schedule.starts_at else 0
    if schedule.times is not None:
        count = min(count, schedule.times)
    return {round(schedule.starts_at + number * step, 3) for number in range(count)}


def _about(kind: str, schedule: ScheduleRow, message: str) -> Violation:
    return Violation(kind, f"{schedule.name}: {message}", (schedule.schedule_id,))


RULES: tuple[Callable[[History], Iterator[Violation]], ...] = (acknowledged, once, complete, fired)
