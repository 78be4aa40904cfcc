"""The tick: fire what is due, slice by slice."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import Q, QuerySet

from schedules_app import metering, plain, sql
from schedules_app.firing import Firing, fire, left_out, skipped_rows, wait_over
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Fired, Overlap, Reason
from schedules_app.store.gaps import fitted
from tasks_app import store as task_store
from tasks_app.lifecycle import TERMINAL, Status
from tasks_app.models import Task

logger = logging.getLogger(__name__)

UNFINISHED = sorted(set(Status) - TERMINAL)
_PAUSE = ["next_run_at", "due_at", "paused_at", "paused_until", "pause_note", "updated_at"]


def fire_due(now: datetime | None = None, limit: int | None = None) -> Fired:
    """Fire one slice of due schedules, the longest due first, and one of occurrences that waited for a task's end.

    A slice is one transaction. Any number of callers may do so at once: each schedule is in one slice at a time, and
    each occurrence gets one verdict and at most one task. `limit` (schedules) defaults to the configured slice.
    """
    moment = now or task_store.database_now()
    most = limit or settings.CONFIG.tick_slice
    due = _due_slice(most, moment)
    waited = _slice(_waiting(), most, moment)
    return Fired(
        schedules=due.schedules + waited.schedules,
        tasks=due.tasks + waited.tasks,
        skipped=due.skipped + waited.skipped,
    )


def _due(now: datetime) -> QuerySet[TaskSchedule]:
    return TaskSchedule.objects.filter(due_at__lte=now).order_by("due_at")


def _waiting() -> QuerySet[TaskSchedule]:
    """Schedules of which an occurrence waits whose turn has come."""
    waiting = TaskSchedule.objects.filter(buffered_count__gt=0, paused_at__isnull=True)
    free = waiting.alias(unfinished=sql.unfinished()).filter(
        Q(overlap=Overlap.ALLOW) | Q(unfinished__isnull=True)
    )
    return free.order_by("task_schedule_id")


def _due_slice(most: int, now: datetime) -> Fired:
    # Asked first without a transaction: an idle tick then never takes SQLite's write lock.
    if sql.is_empty(_due(now)):
        return Fired()
    moment = plain.Moment.at(now)
    with transaction.atomic():
        rows = plain.read(_locked(_due(now))[:most])
        steps = _unrecorded([step for row in rows if (step := plain.step(row, moment)) is not None])
        done = {step.due.key for step in steps}
        others = [row.key for row in rows if row.key not in done]
        schedules = _schedules(others)
        awake, left_out_rows = _resume(schedules, now)
        firings = _decide(_plan(awake, now, fire))
        tasks, skipped = _write(firings, left_out_rows, now, steps)
    return Fired(schedules=len(rows), tasks=tasks, skipped=skipped)


def _slice(chosen: QuerySet[TaskSchedule], most: int, now: datetime) -> Fired:
    if sql.is_empty(chosen):
        return Fired()
    with transaction.atomic():
        schedules = list(_locked(chosen).prefetch_related("calendars")[:most])
        tasks, skipped = _write(_decide(_plan(schedules, now, wait_over)), [], now)
    return Fired(schedules=len(schedules), tasks=tasks, skipped=skipped)


def _locked(chosen: QuerySet[TaskSchedule]) -> QuerySet[TaskSchedule]:
    sql.pin_plans()
    # SQLite has no row locks; its IMMEDIATE transactions are alone already.
    return chosen.select_for_update(skip_locked=True, no_key=True)


def _unrecorded(steps: Sequence[plain.Step]) -> list[plain.Step]:
    """Those whose occurrence has no verdict yet."""
    pairs = [(step.due.key, step.due.next_run_at) for step in steps]
    recorded = sql.recorded(pairs)
    return [step for step, pair in zip(steps, pairs, strict=True) if pair not in recorded]


def _schedules(keys: Sequence[str]) -> list[TaskSchedule]:
    """These, which are locked, the longest due first."""
    if not keys:
        return []
    mine = TaskSchedule.objects.filter(task_schedule_id__in=keys).order_by("due_at")
    return list(mine.prefetch_related("calendars"))


def _resume(schedules: Sequence[TaskSchedule], now: datetime) -> tuple[list[TaskSchedule], list[Occurrence]]:
    """Wake those whose pause is over; the schedules to fire, and the rows of what was left out meanwhile."""
    paused = [schedule for schedule in schedules if schedule.paused_at is not None]
    rows: list[Occurrence] = []
    for schedule in paused:
        with _setting_aside(schedule, now):
            rows += _wake(schedule, now)
    if paused:
        TaskSchedule.objects.bulk_update(paused, _PAUSE)
    return [schedule for schedule in schedules if schedule.paused_at is None], rows


def _wake(schedule: TaskSchedule, now: datetime) -> list[Occurrence]:
    """End a pause that is over: the schedule goes on from the first occurrence that does not lie in it."""
    until, rows = schedule.paused_until, []
    if until is not None and until <= now:
        plan = left_out(schedule, until)
        rows = fitted(schedule, skipped_rows(schedule, plan.skipped, Reason.PAUSED, now))
        schedule.next_run_at = plan.next_at
        # A plan that did not get as far as that leaves the rest to the next slice.
        if plan.next_at is None or plan.next_at >= until:
            schedule.paused_at, schedule.paused_until, schedule.pause_note = None, None, ""
    # A process of an older release pauses without a look at due_at: such a row must not head every slice.
    schedule.due_at = schedule.next_run_at if schedule.paused_at is None else schedule.paused_until
    schedule.updated_at = now
    return rows


def _plan(
    schedules: Sequence[TaskSchedule], now: datetime, plan: Callable[[TaskSchedule, datetime], Firing]
) -> list[Firing]:
    firings = []
    for schedule in schedules:
        with _setting_aside(schedule, now):
            firings.append(plan(schedule, now))
        if schedule.paused_at is not None:
            schedule.save(update_fields=_PAUSE)
    return firings


@contextmanager
def _setting_aside(schedule: TaskSchedule, now: datetime) -> Iterator[None]:
    """Pause a schedule that cannot be planned, whatever the error is.

    Left due, it would head every slice from now on, and enough of its kind would keep all others out.
    """
    try:
        yield
    except DatabaseError:
        raise
    except Exception as error:
        about = schedule.task_schedule_id
        logger.exception(
            "Paused schedule %s, its rule cannot be followed", about, extra={"schedule_id": about}
        )
        note = f"The rule cannot be followed: {error}"[:200]
        schedule.paused_at, schedule.paused_until, schedule.pause_note = now, None, note
        schedule.due_at, schedule.updated_at = None, now


def _decide(firings: Sequence[Firing]) -> list[Firing]:
    recorded = sql.recorded([pair for firing in firings for pair in firing.pairs()])
    # Asked when the schedules are locked: what another tick fired of them is seen by now.
    running = sql.running([firing.schedule_id for firing in firings if firing.asks_for_running])
    return [firing.decided(recorded, running) for firing in firings]


def _write(
    firings: Sequence[Firing], rows: list[Occurrence], now: datetime, steps: Sequence[plain.Step] = ()
) -> tuple[int, int]:
    """Advance the schedules, and lay down verdicts and tasks of those that stood where the plan began."""
    ahead = plain.Moment.at(now)
    won = sql.advance(
        [firing.advance() for firing in firings] + [plain.advance(step, ahead) for step in steps]
    )
    steps = [step for step in steps if step.due.key in won]
    laid_down = plain.tasks(steps, now)
    fired = plain.verdicts(steps, laid_down, now)
    tasks, skipped = [], list(rows)
    for firing in firings:
        if firing.schedule_id in won:
            new = firing.tasks()
            tasks += new
            fired += firing.verdicts(new)
            skipped += fitted(firing.schedule, firing.skips())
    _cancel([firing.schedule_id for firing in firings if firing.cancels and firing.schedule_id in won], now)
    sql.record(fired)
    Occurrence.objects.bulk_create(skipped, ignore_conflicts=True)
    metering.decided(fired, skipped)
    task_store.lay_down(laid_down)
    task_store.create(tasks, now)
    return len(laid_down) + len(tasks), sum(row.count for row in skipped)


def _cancel(schedule_ids: Sequence[UUID], now: datetime) -> None:
    if schedule_ids:
        previous = Task.objects.filter(task_schedule__in=schedule_ids, status__in=UNFINISHED)
        task_store.cancel(previous.values_list("task_id", flat=True), now)


def next_firing(since: datetime, until: datetime) -> datetime | None:
    """The earliest occurrence in this range that is still to be fired, if its schedule is not paused.

    What was laid down ahead is past that: it is a task by now, which is promoted in its time.
    """
    return sql.next_firing(since, until)


def has_work(now: datetime) -> bool:
    """Whether a tick has anything to look at: one question, instead of one for each thing that may be due."""
    return sql.has_work(now)
