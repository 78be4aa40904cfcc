"""Runs of skipped occurrences and what is fired within them: each occurrence stands in one row of the ledger."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile

from schedules_app.firing import rule_of
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Origin
from schedules_app.recurrence import InvalidRecurrence, Nominal, Rule, upcoming

_CHUNK = 500
_MOST_CHUNKS = 40


def make_room(schedule: TaskSchedule, times: Sequence[datetime]) -> None:
    """Take these times, ascending and without a task, out of the ledger's rows of skipped occurrences.

    A row of a single one is removed. A row that stands for a run counts that many fewer, and begins and ends with
    what is left of it. The caller holds the schedule.
    """
    mine = Occurrence.objects.filter(task_schedule=schedule, verdict="SKIPPED")
    mine.filter(count=1, occurs_at__in=times).delete()
    rule = rule_of(schedule)
    for run in mine.filter(count__gt=1, occurs_at__lte=times[-1], last_occurs_at__gte=times[0]):
        taken = {time for time in times if run.occurs_at <= time <= _last(run)}
        if not taken:
            continue
        if _shrink(run, rule, taken):
            run.save(update_fields=["count", "occurs_at", "last_occurs_at"])
        else:
            run.delete()


def fitted(schedule: TaskSchedule, rows: Sequence[Occurrence]) -> list[Occurrence]:
    """New rows of skipped occurrences less those occurrences that have a row already, as after a backfill."""
    return [row for row in rows if row.count == 1 or _fits(schedule, row)]


def _fits(schedule: TaskSchedule, run: Occurrence) -> bool:
    inside = Occurrence.objects.filter(task_schedule=schedule, occurs_at__range=(run.occurs_at, _last(run)))
    taken = set(inside.exclude(origin=Origin.MANUAL).values_list("occurs_at", flat=True))
    try:
        return not taken or _shrink(run, rule_of(schedule), taken)
    except InvalidRecurrence:
        return True


def _last(run: Occurrence) -> datetime:
    return run.last_occurs_at or run.occurs_at


def _shrink(run: Occurrence, rule: Rule, taken: set[datetime]) -> bool:
    """Let a run stand for what is left without these times; False: nothing is."""
    run.count -= len(taken)
    first, last = run.occurs_at, _last(run)
    if run.count > 0 and first in taken:
        left = _first_left(run, rule, taken)
        run.count = run.count if left is not None else 0
        first = left or first
    if run.count > 1 and last in taken:
        last = _last_left(run, rule, taken) or first
    if run.count == 1 or last <= first:
        run.count = min(run.count, 1)
        run.occurs_at, run.last_occurs_at = first, None
    else:
        run.occurs_at, run.last_occurs_at = first, last
    return run.count > 0


def _first_left(run: Occurrence, rule: Rule, taken: set[datetime]) -> datetime | None:
    items = _inside(run, rule, run.occurs_at)
    for _ in range(_MOST_CHUNKS):
        chunk = [item.at for item in islice(items, _CHUNK)]
        if not chunk:
            return None
        if left := _free(run, chunk, taken):
            return left[0]
    return None


def _last_left(run: Occurrence, rule: Rule, taken: set[datetime]) -> datetime | None:
    # A rule is only read forward: look back twice as far until there is one.
    last, back = _last(run), timedelta(seconds=1)
    while True:
        begin = max(run.occurs_at, last - back)
        chunk = [item.at for item in _inside(run, rule, begin)]
        if left := _free(run, chunk, taken):
            return left[-1]
        if begin == run.occurs_at:
            return None
        back *= 2


def _inside(run: Occurrence, rule: Rule, begin: datetime) -> Iterator[Nominal]:
    return takewhile(lambda item: item.at <= _last(run), upcoming(rule, begin))


def _free(run: Occurrence, times: Sequence[datetime], taken: set[datetime]) -> list[datetime]:
    """Those of the times, ascending, that no other row of the ledger begins with."""
    if not times:
        return []
    others = Occurrence.objects.filter(
        task_schedule_id=run.task_schedule_id, occurs_at__range=(times[0], times[-1])
    )
    known = set(others.exclude(pk=run.pk).values_list("occurs_at", flat=True)) | taken
    return [time for time in times if time not in known]
