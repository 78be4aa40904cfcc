"""Take back what ticks have laid down ahead of the present, and find where a schedule goes on."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import islice, takewhile
from uuid import UUID

from django.db.models import OuterRef, Subquery

from schedules_app import metering
from schedules_app.firing import SKIP_ALL, due_at, left_out, rule_of, skipped_rows
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Origin, Reason
from schedules_app.recurrence import InvalidRecurrence, Rule, next_from, plan_fires, upcoming
from schedules_app.store.gaps import fitted
from tasks_app import store as task_store

POSITION = ("next_run_at", "due_at", "last_run_at", "tasks_created")
"""The columns that say how far a schedule has come."""

MOST_PLANS = 20
"""Plans, of 5,000 occurrences each at worst, that one call records as left out."""

_MOST_ROWS_BACK = 20


def withdraw(schedules: Sequence[TaskSchedule], now: datetime) -> None:
    """Take back all verdicts on occurrences after `now` whose tasks have not begun, with these tasks.

    The schedules, which the caller has locked and will save (POSITION), go on from the earliest of them. An occurrence
    whose nominal time has come stays, also if its task still waits for its jitter to pass.
    """
    by_id = {schedule.task_schedule_id: schedule for schedule in schedules}
    ahead = Occurrence.objects.filter(
        task_schedule_id__in=list(by_id), occurs_at__gt=now, origin=Origin.SCHEDULE
    )
    rows = list(ahead)
    deleted = task_store.delete_all(row.task_id for row in rows if row.task_id is not None)
    gone = [row for row in rows if row.task_id is None or row.task_id in deleted]
    Occurrence.objects.filter(id__in=[row.pk for row in gone]).delete()
    for row in gone:
        _step_back(by_id[row.task_schedule_id], row.occurs_at)
        by_id[row.task_schedule_id].tasks_created -= row.task_id is not None
    for key, last in _last_runs({row.task_schedule_id for row in gone if row.task_id is not None}):
        by_id[key].last_run_at = last
    for schedule in schedules:
        _shorten_runs(schedule, now)


def go_on(schedule: TaskSchedule, rule: Rule, moment: datetime, now: datetime) -> list[Occurrence]:
    """Let a schedule go on with its first occurrence at or after `moment` that fires; rows for those before it.

    The rows, to be inserted by the caller, are of what the rule itself skips. Raises InvalidRecurrence.
    """
    plan = plan_fires(rule, moment, moment - datetime.resolution, SKIP_ALL)
    schedule.next_run_at = plan.next_at
    return skipped_rows(schedule, plan.skipped, Reason.MISSED, now)


def leave_out(schedule: TaskSchedule, until: datetime, reason: str, now: datetime) -> list[Occurrence]:
    """Let a schedule go on at `until`; rows for what has no verdict before. Raises InvalidRecurrence.

    What lies behind the first 100,000 of a rule that must be gone through one by one is not recorded.
    """
    rows: list[Occurrence] = []
    for _ in range(MOST_PLANS):
        plan = left_out(schedule, until)
        rows += fitted(schedule, skipped_rows(schedule, plan.skipped, reason, now))
        schedule.next_run_at = plan.next_at
        if plan.next_at is None or plan.next_at >= until:
            return rows
    schedule.next_run_at = next_from(rule_of(schedule), until)
    return rows


def look_at(schedule: TaskSchedule) -> datetime | None:
    """When a tick has to look at a schedule as it stands: its due_at."""
    return due_at(schedule, schedule.next_run_at) if schedule.paused_at is None else schedule.paused_until


def is_used_up(schedule: TaskSchedule) -> bool:
    """Whether a schedule has created all its tasks."""
    limit = schedule.schedule_x_times
    return limit is not None and schedule.tasks_created >= limit


def record(rows: Sequence[Occurrence]) -> None:
    """Insert rows, but for times that have their verdict."""
    Occurrence.objects.bulk_create(rows, ignore_conflicts=True)
    metering.decided(others=rows)


def _step_back(schedule: TaskSchedule, moment: datetime) -> None:
    schedule.next_run_at = moment if schedule.next_run_at is None else min(schedule.next_run_at, moment)


def _last_runs(keys: Collection[UUID]) -> Iterable[tuple[UUID, datetime | None]]:
    # A subquery for each, not one maximum by schedule: that would read their whole ledgers.
    fired = Occurrence.objects.filter(
        task_schedule=OuterRef("pk"), task_id__isnull=False, origin=Origin.SCHEDULE
    )
    last = Subquery(fired.order_by("-occurs_at").values("occurs_at")[:1])
    return TaskSchedule.objects.filter(pk__in=keys).values_list("pk", last) if keys else ()


def _shorten_runs(schedule: TaskSchedule, now: datetime) -> None:
    """End runs of skipped occurrences that began before `now` and reach beyond it."""
    if schedule.next_run_at is not None and schedule.next_run_at <= now:
        return
    if not (
        schedule.excluded_dates or schedule.overrides or schedule.gap == "skip" or _has_calendars(schedule)
    ):
        return
    # A run that reaches beyond now is among the latest rows; to look for it in the whole ledger would cost by age.
    latest = Occurrence.objects.filter(task_schedule=schedule, occurs_at__lte=now).order_by("-occurs_at")
    for row in latest[:_MOST_ROWS_BACK]:
        if row.last_occurs_at is not None and row.last_occurs_at > now:
            _shorten(schedule, row, now)


def _has_calendars(schedule: TaskSchedule) -> bool:
    return bool(schedule.calendars.all())


def _shorten(schedule: TaskSchedule, row: Occurrence, now: datetime) -> None:
    try:
        items = upcoming(rule_of(schedule), row.occurs_at)
        past = [item.at for item in takewhile(lambda item: item.at <= now, islice(items, row.count))]
        following = next(upcoming(rule_of(schedule), now + datetime.resolution), None)
    except InvalidRecurrence:
        return
    row.count = max(1, len(past))
    row.last_occurs_at = past[-1] if len(past) > 1 else None
    row.save(update_fields=["count", "last_occurs_at"])
    if following is not None:
        _step_back(schedule, following.at)
