"""What a tick makes of one due schedule: the verdicts and the tasks, as values. Writes nothing."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from schedules_app import recurrence
from schedules_app.models import Calendar, Occurrence, TaskSchedule
from schedules_app.overlap import decide
from schedules_app.records import Overlap, Reason
from schedules_app.recurrence import (
    LATEST,
    MISSED,
    CatchUp,
    Fold,
    Gap,
    Plan,
    Policy,
    Roll,
    Rule,
    Skipped,
    is_late,
    jitter,
    plan_fires,
)
from schedules_app.sql import Advance, FiredRow
from schedules_app.templating import has_placeholders, render
from tasks_app.defaults import backoff_of, find_operation
from tasks_app.records import NewTask

SKIP_ALL = Policy(catch_up=CatchUp.SKIP, window_seconds=0, late_after_seconds=0, cap=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A due schedule and what is to become of it."""

    schedule: TaskSchedule
    now: datetime
    fires: tuple[datetime, ...] = ()
    """Nominal times to fire, oldest first."""
    waiting: tuple[datetime, ...] = ()
    """Nominal times that wait for the end of a task, oldest first."""
    skipped: tuple[Skipped, ...] = ()
    next_at: datetime | None = None
    cancels: bool = False
    """The schedule's unfinished tasks are to be cancelled."""

    @property
    def schedule_id(self) -> UUID:
        return self.schedule.task_schedule_id

    @property
    def asks_for_running(self) -> bool:
        """Whether it matters if the schedule has an unfinished task."""
        return self.schedule.overlap != Overlap.ALLOW and bool(self.fires or self.waiting)

    def pairs(self) -> list[tuple[UUID, datetime]]:
        """What could be fired, as keys of the ledger."""
        return [(self.schedule_id, time) for time in (*self.waiting, *self.fires)]

    def decided(self, recorded: Set[tuple[UUID, datetime]], running: Set[UUID]) -> "Firing":
        """The same once it is known what has its verdict already, and which schedules have an unfinished task."""
        # After an edit the rule may come again to a time that waits already.
        undecided = dict.fromkeys(time for key, time in self.pairs() if (key, time) not in recorded)
        expired = {time for time in undecided if self._is_expired(time)}
        live, waiting = [time for time in undecided if time not in expired], set(self.waiting)
        made = decide(
            Overlap(self.schedule.overlap),
            [time for time in live if time not in waiting],
            is_running=self.schedule_id in running,
            waiting=[time for time in live if time in waiting],
            bound=settings.CONFIG.overlap_buffer_size,
        )
        skipped = (
            *self.skipped,
            *_singles(sorted(expired), Reason.EXPIRED),
            *_singles(made.skipped, Reason.OVERLAP),
        )
        return replace(
            self, fires=made.fires, waiting=made.waiting, skipped=skipped, cancels=made.cancels
        )._limited()

    def _is_expired(self, time: datetime) -> bool:
        expires_at = self._expires_at(run_at(self.schedule, time))
        return expires_at is not None and expires_at <= self.now

    def _expires_at(self, moment: datetime) -> datetime | None:
        seconds = self.schedule.expires_after_seconds
        return None if seconds is None else later(moment, seconds)

    def _limited(self) -> "Firing":
        """At most as many fires as the schedule has left; what comes after the last one has no verdict."""
        limit = self.schedule.schedule_x_times
        if limit is None or len(self.fires) < (left := max(0, limit - self.schedule.tasks_created)):
            return self
        fires = self.fires[:left]
        skipped = tuple(run for run in self.skipped if fires and run.first < fires[-1])
        cancels = self.cancels and bool(fires)
        return replace(self, fires=fires, waiting=(), skipped=skipped, next_at=None, cancels=cancels)

    def advance(self) -> Advance:
        """The step of the schedule that goes with it."""
        last = self.fires[-1] if self.fires else None
        due = due_at(self.schedule, self.next_at)
        return Advance(
            self.schedule_id,
            self.schedule.next_run_at,
            self.next_at,
            due,
            last,
            len(self.fires),
            self.waiting,
        )

    def tasks(self) -> list[NewTask]:
        """One task per occurrence that is fired, to run as of the occurrence's nominal time and its jitter."""
        schedule = self.schedule
        # Of an operation that has vanished the configuration's: the task is still created, and then fails.
        backoff = backoff_of(find_operation(schedule.operation))
        is_template = has_placeholders(schedule.arguments)
        times = [(time, run_at(schedule, time)) for time in self.fires]
        return [
            NewTask(
                operation=schedule.operation,
                arguments=render(schedule.arguments, time, self.schedule_id)
                if is_template
                else schedule.arguments,
                priority=schedule.priority,
                queue=schedule.queue,
                tags=schedule.tags,
                max_attempts=schedule.max_attempts,
                timeout_seconds=schedule.timeout_seconds,
                backoff=backoff,
                run_at=moment,
                expires_at=self._expires_at(moment),
                task_schedule=self.schedule_id,
                project_id=schedule.project_id,
                callback_url=schedule.callback_url,
            )
            for time, moment in times
        ]

    def verdicts(self, tasks: list[NewTask]) -> list[FiredRow]:
        """The ledger's rows for the occurrences that are fired as these tasks."""
        current, schedule = policy(self.schedule), self.schedule
        return [
            FiredRow(
                schedule.task_schedule_id,
                time,
                "LATE" if is_late(time, self.now, current) else "FIRED",
                self.now,
                task.task_id,
                schedule.revision,
            )
            for time, task in zip(self.fires, tasks, strict=True)
        ]

    def skips(self) -> list[Occurrence]:
        """The ledger's rows for the occurrences that are not fired."""
        return skipped_rows(self.schedule, self.skipped, MISSED, self.now)


def _singles(times: Iterable[datetime], reason: str) -> Iterator[Skipped]:
    return (Skipped(time, time, 1, reason) for time in times)


def run_at(schedule: TaskSchedule, occurs_at: datetime) -> datetime:
    """When the task of an occurrence may start: its nominal time and the jitter, always the same for both."""
    return occurs_at + jitter(schedule.task_schedule_id.bytes, occurs_at, schedule.jitter_seconds)


def later(moment: datetime, seconds: float) -> datetime:
    """The moment some seconds later, or the calendar's end."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return LATEST


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


def shown_rule_of(schedule: TaskSchedule) -> Rule:
    """The recurrence of a schedule as it is described, with its calendars' names but not their days.

    Raises InvalidRecurrence.
    """
    return rule_of(schedule, [Calendar(name=calendar.name) for calendar in schedule.calendars.all()])


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
    waiting = waiting_of(schedule)
    if schedule.next_run_at is None:
        return Firing(schedule=schedule, now=now, waiting=waiting)
    until = later(now, settings.CONFIG.tick_ahead_seconds) if schedule.overlap == Overlap.ALLOW else now
    plan = plan_fires(rule_of(schedule), schedule.next_run_at, now, policy(schedule), until=until)
    return Firing(
        schedule=schedule,
        now=now,
        fires=tuple(item.at for item in plan.fires),
        waiting=waiting,
        skipped=plan.skipped,
        next_at=plan.next_at,
    )


def wait_over(schedule: TaskSchedule, now: datetime) -> Firing:
    """What becomes of the occurrences of a schedule that wait for the end of a task."""
    return Firing(schedule=schedule, now=now, waiting=waiting_of(schedule), next_at=schedule.next_run_at)


def waiting_of(schedule: TaskSchedule) -> tuple[datetime, ...]:
    """The nominal times that wait for the end of a task, oldest first."""
    return tuple(datetime.fromisoformat(text) for text in schedule.buffered)


def left_out(schedule: TaskSchedule, until: datetime) -> Plan:
    """All occurrences without a verdict before `until`, as skipped; `next_at` is the first at or after it.

    A plan that did not reach `until` has an earlier `next_at`, from which to go on. Raises InvalidRecurrence.
    """
    if schedule.next_run_at is None or schedule.next_run_at >= until:
        return Plan(next_at=schedule.next_run_at)
    return plan_fires(rule_of(schedule), schedule.next_run_at, until - timedelta.resolution, SKIP_ALL)


def skipped_rows(
    schedule: TaskSchedule, skipped: tuple[Skipped, ...], reason: str, now: datetime
) -> list[Occurrence]:
    """The ledger's rows for occurrences that are not fired; `reason` for those whose rule says no other."""
    return [
        Occurrence(
            task_schedule_id=schedule.task_schedule_id,
            occurs_at=run.first,
            verdict="SKIPPED",
            reason=reason if run.reason == MISSED else run.reason,
            decided_at=now,
            count=run.count,
            last_occurs_at=run.last if run.count > 1 else None,
            revision=schedule.revision,
        )
        for run in skipped
    ]
