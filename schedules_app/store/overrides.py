"""The occurrences that a person moved or skipped: `TaskSchedule.overrides`, as pairs of times."""

from datetime import datetime

from schedules_app.errors import TooManyOverrides
from schedules_app.firing import rule_of
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import Reason
from schedules_app.recurrence import Nominal, upcoming
from schedules_app.templating import spelled

MOST_OVERRIDES = 1000

Overrides = dict[datetime, datetime | None]


def read(schedule: TaskSchedule) -> Overrides:
    """Nominal times by the rule, and when they come instead; None: not at all."""
    times = datetime.fromisoformat
    return {times(old): times(new) if new else None for old, new in schedule.overrides.items()}


def write(schedule: TaskSchedule, pairs: Overrides) -> None:
    """The reverse of `read`; raises TooManyOverrides."""
    if len(pairs) > MOST_OVERRIDES:
        raise TooManyOverrides(
            f"{MOST_OVERRIDES} occurrences of this schedule are moved or skipped already; "
            "restore some, or change the rule instead."
        )
    schedule.overrides = {spelled(old): spelled(new) if new else None for old, new in sorted(pairs.items())}


def replace(schedule: TaskSchedule, at: datetime, to: datetime | None) -> set[datetime]:
    """Let what comes at `at` come at `to`, or not at all; the nominal times by the rule that this is about.

    Of an occurrence that is moved already the nominal time by the rule stays the key. Raises TooManyOverrides and
    InvalidRecurrence.
    """
    pairs = read(schedule)
    keys = {old for old, new in pairs.items() if new == at}
    pairs |= dict.fromkeys(keys, to)
    write(schedule, pairs)
    if item_at(schedule, at) is not None and at not in pairs:
        pairs[at] = to
        keys.add(at)
    write(schedule, {old: new for old, new in pairs.items() if new != old})
    return keys


def item_at(schedule: TaskSchedule, moment: datetime) -> Nominal | None:
    """What fires at this very moment, if anything does. Raises InvalidRecurrence."""
    item = next(iter(upcoming(rule_of(schedule), moment)), None)
    return item if item is not None and item.at == moment and item.skip is None else None


def forget_strangers(schedule: TaskSchedule) -> None:
    """Drop the overrides of times that a new rule no longer gives."""
    pairs = read(schedule)
    if not pairs:
        return
    schedule.overrides = {}
    write(schedule, {old: new for old, new in pairs.items() if item_at(schedule, old) is not None})


def tidy(schedule: TaskSchedule, now: datetime) -> list[Occurrence]:
    """Drop the overrides that are over; rows for the times from which occurrences were moved away.

    Without these rows a backfill would take such a time for one that nobody has decided on.
    """
    pairs = read(schedule)
    spent = {old: new for old, new in pairs.items() if _is_over(schedule, now, old, new)}
    if spent:
        write(schedule, {old: new for old, new in pairs.items() if old not in spent})
    return [skipped_row(schedule, old, now) for old, new in spent.items() if new is not None]


def skipped_row(schedule: TaskSchedule, occurs_at: datetime, now: datetime) -> Occurrence:
    """The verdict on a time that a person took from the schedule."""
    return Occurrence(
        task_schedule_id=schedule.task_schedule_id,
        occurs_at=occurs_at,
        verdict="SKIPPED",
        reason=Reason.REQUESTED,
        decided_at=now,
        revision=schedule.revision,
    )


def _is_over(schedule: TaskSchedule, now: datetime, *times: datetime | None) -> bool:
    position = schedule.next_run_at
    return all(time is None or (time <= now and (position is None or time < position)) for time in times)
