"""Backfills: fire a range of the past, slice by slice, as ticks find the time."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice, takewhile
from uuid import UUID

from django.conf import settings
from django.db import transaction

from schedules_app import metering, sql
from schedules_app.errors import TooManyOccurrences
from schedules_app.firing import Firing, rule_of
from schedules_app.models import Backfill, Occurrence, TaskSchedule
from schedules_app.records import BackfillStatus, Origin, Reason
from schedules_app.recurrence import InvalidRecurrence, upcoming
from schedules_app.store.editing import lock
from schedules_app.store.gaps import make_room
from schedules_app.store.triggering import at_once
from tasks_app import store as task_store

logger = logging.getLogger(__name__)

SLICE = 500
"""Occurrences per transaction."""
MOST_AT_ONCE = 20
"""Backfills that one call works on, the oldest first."""
MOST_PASSED = 5_000
"""Occurrences that one slice, or per occurrence that fires at most a count, passes by because the rule skips them."""


def plan_backfill(schedule: TaskSchedule, start: datetime, end: datetime, now: datetime | None = None) -> int:
    """How many occurrences the rule has from `start` to `end`, both inclusive; those that it skips do not count.

    Raises InvalidRecurrence ("from", "to") for a range that is none or not past, and TooManyOccurrences.
    """
    if start > end:
        raise InvalidRecurrence("to", "lies before `from`; give a later time")
    if end > (now or task_store.database_now()):
        raise InvalidRecurrence("to", "lies in the future; what is to come fires by itself")
    most, count = settings.CONFIG.max_backfill_occurrences, 0
    items = takewhile(lambda item: item.at <= end, upcoming(rule_of(schedule), start))
    for number, item in enumerate(items):
        count += item.skip is None
        if count > most or number > most + 10 * MOST_PASSED:
            raise TooManyOccurrences(
                f"The range holds more than {most} occurrences, the most that one backfill may have "
                "(MAX_BACKFILL_OCCURRENCES); give a shorter range, and backfill it part by part."
            )
    return count


def backfill(
    schedule_id: UUID,
    start: datetime,
    end: datetime,
    priority: int,
    now: datetime | None = None,
    *,
    project_id: int | None = None,
    admit: Callable[[int], None] | None = None,
) -> Backfill | None:
    """Have what the rule gives from `start` to `end`, both inclusive, fired by ticks; None: no such schedule.

    Each occurrence without a task gets one, that of a person's skip excepted; neither the overlap policy nor the
    limit on tasks applies. The rule is that of the moment when a slice is worked off. Raises as plan_backfill does, and
    what `admit` raises, which is told how many occurrences there are before the backfill is stored.
    """
    moment = now or task_store.database_now()
    with transaction.atomic():
        schedule = lock(schedule_id, project_id)
        if schedule is None:
            return None
        total = plan_backfill(schedule, start, end, moment)
        if admit is not None:
            admit(total)
        return Backfill.objects.create(
            task_schedule=schedule,
            range_from=start,
            range_to=end,
            cursor=start,
            priority=priority,
            total=total,
            status=BackfillStatus.RUNNING if total else BackfillStatus.FINISHED,
            created_at=moment,
            finished_at=None if total else moment,
        )


def cancel_backfill(backfill_id: UUID, now: datetime | None = None, *, project_id: int | None = None) -> bool:
    """Stop a backfill; the tasks that it has created stay. False when it is not running."""
    running = Backfill.objects.filter(backfill_id=backfill_id, status=BackfillStatus.RUNNING)
    if project_id is not None:
        running = running.filter(task_schedule__project_id=project_id)
    moment = now or task_store.database_now()
    return running.update(status=BackfillStatus.CANCELLED, finished_at=moment) == 1


def work_backfills(now: datetime | None = None) -> int:
    """Work off one slice of each of the oldest running backfills; how many slices that were.

    Any number of callers may do so at once, and may be killed at any time: a slice is one transaction.
    """
    running = Backfill.objects.filter(status=BackfillStatus.RUNNING).order_by("backfill_id")
    keys = list(running.values_list("backfill_id", "task_schedule_id")[:MOST_AT_ONCE])
    moment = now or (task_store.database_now() if keys else None)
    return sum(_work(key, schedule_id, moment) for key, schedule_id in keys if moment is not None)


def _work(backfill_id: UUID, schedule_id: UUID, now: datetime) -> bool:
    with transaction.atomic():
        # The schedule first, as every writer does. Who holds it is not waited for: the next call goes on.
        free = TaskSchedule.objects.select_for_update(skip_locked=True, no_key=True)
        schedule = free.filter(task_schedule_id=schedule_id).first()
        running = Backfill.objects.select_for_update().filter(status=BackfillStatus.RUNNING)
        one = running.filter(backfill_id=backfill_id).first() if schedule is not None else None
        if schedule is None or one is None or _is_overdue(schedule, min(now, one.range_to)):
            return False
        try:
            _fire_slice(one, schedule, now)
        except InvalidRecurrence as error:
            logger.warning(
                "Stopped backfill %s, the rule cannot be followed: %s",
                backfill_id,
                error,
                extra={"schedule_id": one.task_schedule_id},
            )
            one.status, one.finished_at = BackfillStatus.CANCELLED, now
        one.save(update_fields=["cursor", "status", "tasks_created", "already_fired", "finished_at"])
    return True


def _is_overdue(schedule: TaskSchedule, until: datetime) -> bool:
    """Whether a tick has to decide first: what it fires or sums up must not be fired here."""
    next_at = schedule.next_run_at
    return schedule.paused_at is None and next_at is not None and next_at <= until


def _fire_slice(one: Backfill, schedule: TaskSchedule, now: datetime) -> None:
    times = _next_times(one, schedule)
    decided = _decided(schedule, times)
    fires = [time for time in times if time not in decided]
    if fires:
        make_room(schedule, fires)
        _fire(schedule, fires, one.priority, now)
    one.tasks_created += len(fires)
    one.already_fired += len(times) - len(fires)
    if one.cursor > one.range_to:
        one.status, one.finished_at = BackfillStatus.FINISHED, now


def _next_times(one: Backfill, schedule: TaskSchedule) -> list[datetime]:
    """The next occurrences of a backfill that fire; its cursor moves behind them."""
    items = takewhile(lambda item: item.at <= one.range_to, upcoming(rule_of(schedule), one.cursor))
    times: list[datetime] = []
    for item in islice(items, MOST_PASSED):
        one.cursor = item.at + datetime.resolution
        if item.skip is None:
            times.append(item.at)
        if len(times) == SLICE:
            return times
    if next(items, None) is None:
        one.cursor = one.range_to + datetime.resolution
    return times


def _decided(schedule: TaskSchedule, times: Sequence[datetime]) -> set[datetime]:
    """Those of the times that have a task, or that a person has skipped or moved elsewhere."""
    rows = Occurrence.objects.filter(task_schedule=schedule, occurs_at__in=times)
    return {row.occurs_at for row in rows if row.task_id is not None or row.reason == Reason.REQUESTED}


def _fire(schedule: TaskSchedule, times: list[datetime], priority: int, now: datetime) -> None:
    schedule.priority = priority
    tasks = at_once(schedule, tuple(times), now)
    rows = Firing(schedule=schedule, now=now, fires=tuple(times)).verdicts(tasks)
    sql.record([row._replace(origin=Origin.BACKFILL) for row in rows])
    metering.decided(rows)
    task_store.create(tasks, now)
