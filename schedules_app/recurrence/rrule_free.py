"""RRULEs whose times do not depend on the day they are counted from: schedules that began at other times share them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from schedules_app.recurrence.rrule_days import Recur
from schedules_app.recurrence.rrule_parsing import parse
from schedules_app.recurrence.rrule_walls import Walk, completed, walk

_DAWN = datetime(1, 1, 1)  # noqa: DTZ001 - wall-clock time
# What a rule takes from its DTSTART where it does not say it itself.
_FROM_START: dict[str, Callable[[datetime], object]] = {
    "bymonth": lambda start: (start.month,),
    "bymonthday": lambda start: (start.day,),
    "byday": lambda start: ((start.weekday(), 0),),
    "byhour": lambda start: (start.hour,),
    "byminute": lambda start: (start.minute,),
    "bysecond": lambda start: (start.second,),
}


def free_walk(text: str, dtstart: datetime) -> Walk | None:
    """The wall-clock times of a text, right from `dtstart` (a wall-clock time) on; None: they are not free of it.

    The walk has times before `dtstart`, too. Raises InvalidRecurrence.
    """
    if (taken := _taken(text)) is None:
        return None
    return _free_walk(text, tuple((name, _FROM_START[name](dtstart)) for name in taken))


@lru_cache(maxsize=2048)
def _taken(text: str) -> tuple[str, ...] | None:
    """What the only rule of a text takes from DTSTART; None if it makes a difference where it is counted from."""
    rules = parse(text)
    if len(rules.rules) != 1 or rules.exrules or rules.rdates or rules.exdates:
        return None
    (recur,) = rules.rules
    if not _is_free(recur):
        return None
    given = completed(recur, _DAWN)
    return tuple(name for name in _FROM_START if getattr(given, name) != getattr(recur, name))


def _is_free(recur: Recur) -> bool:
    # A week's number and position depend on the day that dateutil's first week begins with.
    if recur.interval != 1 or recur.count is not None or recur.bysetpos or recur.byweekno:
        return False
    return recur.until is None or recur.until.tzinfo is None


@lru_cache(maxsize=2048)
def _free_walk(text: str, taken: tuple[tuple[str, object], ...]) -> Walk:
    (recur,) = parse(text).rules
    return walk(replace(recur, **dict(taken)), _DAWN)  # type: ignore[arg-type]
