"""Make room in the ledger where an occurrence that was skipped gets a task after all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile

from schedules_app.firing import rule_of
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.recurrence import Rule, upcoming

_LOOK = 2_000


def make_room(schedule: TaskSchedule, times: Sequence[datetime]) -> None:
    """Take these times, ascending and without a task, out of the ledger's rows of skipped occurrences.

    A row of a single one is removed. A row that stands for a run counts that many fewer, and begins and ends with
    what is left of it. The caller holds the schedule.
    """
    mine = Occurrence.objects.filter(task_schedule=schedule, verdict="SKIPPED")
    mine.filter(count=1, occurs_at__in=times).delete()
    runs = mine.filter(count__gt=1, occurs_at__lte=times[-1], last_occurs_at__gte=times[0])
    rule = rule_of(schedule)
    for run in runs:
        assert run.last_occurs_at is not None, "the database holds this of every run"  # for the type checker
        taken = [time for time in times if run.occurs_at <= time <= run.last_occurs_at]
        if taken:
            _shrink(run, rule, taken)


def _shrink(run: Occurrence, rule: Rule, taken: Sequence[datetime]) -> None:
    run.count -= len(taken)
    first, last = _ends(run, rule, taken)
    if run.count <= 0 or first is None:
        run.delete()
        return
    if run.count == 1 or last is None or last <= first:
        run.count, last = 1, None
    run.occurs_at, run.last_occurs_at = first, last
    run.save(update_fields=["count", "occurs_at", "last_occurs_at"])


def _ends(run: Occurrence, rule: Rule, taken: Sequence[datetime]) -> tuple[datetime | None, datetime | None]:
    """The first and the last of a run without what was taken out of it."""
    first: datetime | None = run.occurs_at
    last = run.last_occurs_at
    if first == taken[0]:
        first = _first_left(run, rule, set(taken))
    if first is not None and last == taken[-1]:
        last = _last_before(rule, taken[0], first)
    return first, last


def _first_left(run: Occurrence, rule: Rule, taken: set[datetime]) -> datetime | None:
    """The first time of a run that nothing in the ledger stands for."""
    assert run.last_occurs_at is not None, "the database holds this of every run"  # for the type checker
    last = run.last_occurs_at
    items = takewhile(lambda item: item.at <= last, upcoming(rule, run.occurs_at))
    left = [item.at for item in islice(items, len(taken) + _LOOK) if item.at not in taken]
    # The row has to get a nominal time of its own: there is one row for each.
    others = Occurrence.objects.filter(task_schedule_id=run.task_schedule_id, occurs_at__in=left)
    known = set(others.exclude(pk=run.pk).values_list("occurs_at", flat=True))
    return next((time for time in left if time not in known), None)


def _last_before(rule: Rule, moment: datetime, first: datetime) -> datetime:
    """The last occurrence from `first` to before `moment`."""
    # A rule is only read forward: look back twice as far until there is one.
    back = timedelta(seconds=1)
    while moment - back > first:
        found = [item.at for item in takewhile(lambda item: item.at < moment, upcoming(rule, moment - back))]
        if found:
            return found[-1]
        back *= 2
    return first
