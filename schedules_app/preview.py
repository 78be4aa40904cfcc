"""Occurrences that lie ahead: as a list for people, and compared before and after a change. Writes nothing."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from schedules_app import queries, recurrence
from schedules_app.firing import rule_of, run_at
from schedules_app.models import TaskSchedule
from schedules_app.recurrence import InvalidRecurrence, Nominal, Note, Rule, Skip

MOST_COUNTED = 10_000
"""Occurrences looked through at most to see how far a limit on tasks reaches."""

MOST_COMPARED = 1000
COMPARED_DAYS = 30

_NOTES = {Skip.EXCLUDED: Note.EXCLUDED, Skip.DST_GAP: Note.GAP, Skip.REQUESTED: Note.SKIPPED}


class TooFarAhead(Exception):
    """More than MOST_COUNTED occurrences lie before the time that was asked for."""


def items(
    rule: Rule, start: datetime, count: int, jitter_seconds: int = 0, limit: int | None = None
) -> list[dict[str, Any]]:
    """The first `count` occurrences of a rule at or after `start`, as an answer shows them; at most `limit` fire.

    Its id is a part of a schedule's jitter, so before it is stored nobody knows when its tasks will start.
    """
    found = islice(_limited(recurrence.upcoming(rule, start), limit), count)
    return [_shown(item, rule, None if jitter_seconds else item.at, jitter_seconds) for item in found]


def items_of(schedule: TaskSchedule, start: datetime, count: int) -> list[dict[str, Any]]:
    """The same of a stored schedule, which may have few tasks left, or none.

    Raises InvalidRecurrence and TooFarAhead.
    """
    rule = rule_of(schedule)
    found = islice(_ahead(schedule, rule, start), count)
    return [_shown(item, rule, run_at(schedule, item.at), schedule.jitter_seconds) for item in found]


def _ahead(schedule: TaskSchedule, rule: Rule, start: datetime) -> Iterator[Nominal]:
    """What a schedule will do at or after `start`; its limit on tasks counts from its next occurrence."""
    first, limit = schedule.next_run_at, schedule.schedule_x_times
    if first is None:
        return
    if limit is None:
        yield from recurrence.upcoming(rule, start)
        return
    coming = _limited(recurrence.upcoming(rule, first), limit - schedule.tasks_created)
    for number, item in enumerate(coming):
        if item.at >= start:
            yield item
        elif number >= MOST_COUNTED:
            raise TooFarAhead


def _limited(coming: Iterator[Nominal], left: int | None) -> Iterator[Nominal]:
    """As far as the last of those that `left` allows to fire; None: no limit."""
    if left is None:
        yield from coming
        return
    for item in coming if left > 0 else ():
        yield item
        left -= item.skip is None
        if left == 0:
            return


def _shown(item: Nominal, rule: Rule, starts_at: datetime | None, jitter_seconds: int) -> dict[str, Any]:
    fires = item.skip is None
    notes = [note.value for note in item.notes]
    if item.skip is not None and _NOTES[item.skip] not in item.notes:
        notes.append(_NOTES[item.skip].value)
    if fires and jitter_seconds:
        notes.append(Note.JITTER.value)
    return {
        "occurs_at": item.at,
        "local_time": item.at.astimezone(ZoneInfo(rule.timezone)).isoformat(),
        "fires": fires,
        "starts_at": starts_at if fires else None,
        "notes": notes,
    }


@dataclass(frozen=True, slots=True)
class Ahead:
    """The occurrences that fire from a moment to `until`; the list is whole as far as that."""

    zone: ZoneInfo
    times: tuple[datetime, ...]
    until: datetime


def ahead(schedule: TaskSchedule, now: datetime) -> Ahead:
    """What a schedule will fire in the next COMPARED_DAYS, paused or not, as far as MOST_COMPARED items."""
    rule, until = rule_of(schedule), now + timedelta(days=COMPARED_DAYS)
    found = takewhile(lambda item: item.at <= until, _ahead(schedule, rule, now))
    seen = list(islice(found, MOST_COMPARED))
    if len(seen) == MOST_COMPARED:
        until = seen[-1].at
    times = {item.at for item in seen if item.skip is None}
    # What is laid down ahead is decided, but not over: a change takes it back, and it may come again.
    times |= {time for time in queries.laid_down_after(schedule.pk, now) if time <= until}
    return Ahead(ZoneInfo(rule.timezone), tuple(sorted(times)), until)


def ahead_or_nothing(schedule: TaskSchedule, now: datetime) -> Ahead:
    """The same; nothing of a schedule whose rule cannot be followed, which is to be changed after all."""
    try:
        return ahead(schedule, now)
    except InvalidRecurrence:
        return Ahead(ZoneInfo("UTC"), (), now + timedelta(days=COMPARED_DAYS))


def compare(before: Ahead, after: Ahead, now: datetime) -> dict[str, Any]:
    """Which occurrences come, go or move, as far as both lists are whole."""
    until = min(before.until, after.until)
    old = {time for time in before.times if time <= until}
    new = {time for time in after.times if time <= until}
    removed, added = _by_day(old - new, after.zone), _by_day(new - old, after.zone)
    moved = [
        {"occurs_at": left, "to": right}
        for day, lefts in removed.items()
        if len(lefts) == len(added.get(day, ()))
        for left, right in zip(lefts, added[day], strict=True)
    ]
    told = {time for move in moved for time in move.values()}
    return {
        "until": until,
        "truncated": until < now + timedelta(days=COMPARED_DAYS),
        "added": sorted(new - old - told),
        "removed": sorted(old - new - told),
        "moved": sorted(moved, key=lambda move: move["occurs_at"]),
    }


def _by_day(times: set[datetime], zone: ZoneInfo) -> dict[date, list[datetime]]:
    days: dict[date, list[datetime]] = defaultdict(list)
    for time in sorted(times):
        days[time.astimezone(zone).date()].append(time)
    return days
