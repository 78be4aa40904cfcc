"""What a tick makes of one due schedule: the verdicts and the tasks, as values. Writes nothing."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from schedules_app import recurrence
from schedules_app.models import Calendar, Occurrence, TaskSchedule
from schedules_app.records import Overlap
from schedules_app.recurrence import (
    CatchUp,
    Fold,
    Gap,
    Plan,
    Policy,
    Roll,
    Rule,
    Skipped,
    is_late,
    next_after,
    plan_fires,
)
from schedules_app.sql import Advance
from tasks_app.defaults import backoff_of, find_operation
from tasks_app.records import NewTask


@dataclass(frozen=True, slots=True)
class Firing:
    """A due schedule, its rule and what is planned for it."""

    schedule: TaskSchedule
    rule: Rule
    plan: Plan
    now: datetime

    @property
    def schedule_id(self) -> UUID:
        return self.schedule.task_schedule_id

    def pairs(self) -> list[tuple[UUID, datetime]]:
        """What would be fired, as keys of the ledger."""
        return [(self.schedule_id, time) for time in self.plan.fires]

    def without(self, recorded: Set[tuple[UUID, datetime]]) -> "Firing":
        """The same less occurrences that have their verdict already, as after an edit or a clock's jump."""
        fires = tuple(time for key, time in self.pairs() if (key, time) not in recorded)
        if len(fires) == len(self.plan.fires):
            return self
        # A limit on tasks that seemed used up is not, then.
        next_at = self.plan.next_at or next_after(self.rule, self.now)
        return replace(self, plan=replace(self.plan, fires=fires, next_at=next_at))

    def advance(self) -> Advance:
        """The step of the schedule that goes with the plan."""
        fires, old = self.plan.fires, self.schedule.next_run_at
        assert old is not None, "a schedule without a next occurrence is never due"  # for the type checker
        next_at = self.plan.next_at
        due = due_at(self.schedule, next_at)
        return Advance(self.schedule_id, old, next_at, due, fires[-1] if fires else None, len(fires))

    def tasks(self) -> list[NewTask]:
        """One task per occurrence that is fired, to run as of the occurrence's nominal time."""
        schedule = self.schedule
        # Of an operation that has vanished the configuration's: the task is still created, and then fails.
        backoff = backoff_of(find_operation(schedule.operation))
        return [
            NewTask(
                operation=schedule.operation,
                arguments=schedule.arguments,
                priority=schedule.priority,
                queue=schedule.queue,
                tags=schedule.tags,
                max_attempts=schedule.max_attempts,
                timeout_seconds=schedule.timeout_seconds,
                backoff=backoff,
                run_at=time,
                task_schedule=schedule.task_schedule_id,
            )
            for time in self.plan.fires
        ]

    def verdicts(self, tasks: list[NewTask]) -> list[Occurrence]:
        """The ledger's rows for the occurrences that are fired as these tasks."""
        current = policy(self.schedule)
        return [
            Occurrence(
                task_schedule_id=self.schedule_id,
                occurs_at=time,
                verdict="LATE" if is_late(time, self.now, current) else "FIRED",
                decided_at=self.now,
                task_id=task.task_id,
                revision=self.schedule.revision,
            )
            for time, task in zip(self.plan.fires, tasks, strict=True)
        ]


def policy(schedule: TaskSchedule) -> Policy:
    """How missed occurrences of this schedule are treated."""
    config = settings.CONFIG
    window = schedule.catch_up_window_seconds
    return Policy(
        catch_up=CatchUp(schedule.catch_up),
        window_seconds=config.catch_up_window_seconds if window is None else window,
        late_after_seconds=config.late_after_seconds,
        cap=schedule.catch_up_limit,
    )


def rule_of(schedule: TaskSchedule, calendars: Iterable[Calendar] | None = None) -> Rule:
    """The recurrence of a schedule; raises InvalidRecurrence.

    `calendars` default to the stored schedule's own, one query unless they were prefetched.
    """
    kept = schedule.calendars.all() if calendars is None else calendars
    return Rule(
        starts_at=schedule.starts_at,
        timezone=schedule.timezone,
        ends_at=schedule.ends_at,
        days=schedule.every_x_days,
        hours=schedule.every_x_hours,
        minutes=schedule.every_x_minutes,
        seconds=schedule.every_x_seconds,
        cron=schedule.cron,
        rrule=schedule.rrule,
        gap=Gap(schedule.gap),
        fold=Fold(schedule.fold),
        excluded=tuple(schedule.excluded_dates),
        calendars=tuple(
            recurrence.Calendar(item.name, tuple(item.dates), tuple(item.rrules)) for item in kept
        ),
        roll=Roll(schedule.roll),
        overrides=_overrides(schedule),
    )


def _overrides(schedule: TaskSchedule) -> tuple[tuple[datetime, datetime | None], ...]:
    pairs = sorted(schedule.overrides.items())
    return tuple(
        (datetime.fromisoformat(old), datetime.fromisoformat(new) if new else None) for old, new in pairs
    )


def due_at(schedule: TaskSchedule, next_at: datetime | None) -> datetime | None:
    """When a tick has to look at a schedule that runs next at `next_at`.

    Ahead of it, so that the task is there on time; but at it where it depends on what earlier tasks are doing by then.
    """
    if next_at is None or schedule.overlap != Overlap.ALLOW:
        return next_at
    return next_at - timedelta(seconds=settings.CONFIG.tick_ahead_seconds)


def fire(schedule: TaskSchedule, now: datetime) -> Firing:
    """Plan what is due of a schedule; raises InvalidRecurrence when its rule can no longer be followed."""
    rule, limit, first = rule_of(schedule), schedule.schedule_x_times, schedule.next_run_at
    assert first is not None, "a schedule without a next occurrence is never due"  # for the type checker
    remaining = None if limit is None else limit - schedule.tasks_created
    return Firing(schedule, rule, plan_fires(rule, first, now, policy(schedule), remaining=remaining), now)


def skipped_rows(
    schedule: TaskSchedule, skipped: tuple[Skipped, ...], reason: str, now: datetime
) -> list[Occurrence]:
    """The ledger's rows for occurrences that are not fired."""
    return [
        Occurrence(
            task_schedule_id=schedule.task_schedule_id,
            occurs_at=run.first,
            verdict="SKIPPED",
            reason=reason,
            decided_at=now,
            count=run.count,
            last_occurs_at=run.last if run.count > 1 else None,
            revision=schedule.revision,
        )
        for run in skipped
    ]
