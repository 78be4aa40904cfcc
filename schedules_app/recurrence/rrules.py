"""Recurrences of RFC 5545: RRULE, RDATE, EXDATE and EXRULE in the wall-clock time of a zone, and as whole days.

A rule's own times are wall-clock times; in a gap they are read with the offset before it (RFC 5545, 3.3.5). COUNT
counts them from DTSTART, before EXDATE and EXRULE take any away. DTSTART itself occurs only if the rule gives it. In
a fold that DTSTART is in the second pass of, all its times are of that pass.
"""

import heapq
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from zoneinfo import ZoneInfo

from schedules_app.recurrence.base import LATEST, Fold, Gap, InvalidRecurrence, Nominal, Rule, in_utc
from schedules_app.recurrence.rrule_days import DAILY, HOURLY, MINUTELY, SECONDLY, Recur
from schedules_app.recurrence.rrule_parsing import ANY_START, RuleSet, Stamp, clipped, parse
from schedules_app.recurrence.rrule_walls import Walk, walk
from schedules_app.recurrence.zones import in_order, merged, resolve, wall_before, wall_of

__all__ = ["DaySet", "RuleSet", "check", "check_exceptions", "day_set", "parse", "source"]

MOST_EXCLUDED = 50_000
"""A rule of which EXRULE and EXDATE take this many occurrences in a row has ended; it keeps the search finite."""

MOST_TIMES_A_DAY = 96
"""Of a rule with an EXRULE: MOST_EXCLUDED occurrences are more than a year then."""

_MOST_IN_ONE_DAY = 100
"""How many occurrences of days that EXDATE removes are passed before the rest of such a day is."""

_LAST_DAY = date(9999, 12, 29)

_STEPS = 32
"""How many occurrences of an EXRULE are passed one by one before it is entered anew."""

_by_time = attrgetter("at")


@dataclass(frozen=True, slots=True)
class _Stream:
    """One RRULE or EXRULE in a zone; `until` is the UNTIL that compares instants, `second` as in `_in_its_pass`."""

    walk: Walk
    zone: ZoneInfo
    gap: Gap
    fold: Fold
    until: datetime | None
    second: datetime | None

    def since(self, moment: datetime) -> Iterator[Nominal]:
        walls = self.walk.since(wall_before(moment, self.zone))
        for found in in_order(walls, self.zone, self.gap, self.fold):
            nominal = _in_its_pass(found, self.zone, self.second)
            if self.until is not None and nominal.at > self.until:
                return
            if nominal.at >= moment:
                yield nominal


def _in_its_pass(nominal: Nominal, zone: ZoneInfo, second: datetime | None) -> Nominal:
    """`second`: DTSTART, if it is in the second pass of a fold; no time of the first one can be meant then."""
    if second is None or nominal.at >= second:
        return nominal
    return resolve(wall_of(nominal.at, zone), zone, fold=Fold.SECOND)[0]


class _Removed:
    """Whether one EXRULE gives an instant; asked about ascending ones."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._rest: Iterator[Nominal] = iter(())
        self._head: datetime | None = None
        self._is_entered = False

    def has(self, at: datetime) -> bool:
        if not self._is_entered:
            self._enter(at)
        for _ in range(_STEPS):
            if self._head is None or self._head >= at:
                return self._head == at
            self._advance()
        self._enter(at)
        return self._head == at

    def _enter(self, at: datetime) -> None:
        self._is_entered = True
        self._rest = self._stream.since(at)
        self._advance()

    def _advance(self) -> None:
        nominal = next(self._rest, None)
        self._head = nominal.at if nominal else None


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A text with its DTSTART and zone, ready to be entered at any moment."""

    zone: ZoneInfo
    streams: tuple[_Stream, ...]
    removed: tuple[_Stream, ...]
    added: tuple[Nominal, ...]
    removed_instants: frozenset[datetime]
    removed_days: frozenset[date]

    def since(self, moment: datetime) -> Iterator[Nominal]:
        given = [stream.since(moment) for stream in self.streams]
        if self.added:
            given.append(iter(self.added[bisect_left(self.added, moment, key=_by_time) :]))
        if len(given) == 1:
            return given[0]
        return merged(heapq.merge(*given, key=_by_time))

    @property
    def removes(self) -> bool:
        return bool(self.removed or self.removed_instants or self.removed_days)

    def kept(self, moment: datetime) -> Iterator[Nominal]:
        """What EXDATE and EXRULE leave of the occurrences at or after `moment`."""
        removed = [_Removed(stream) for stream in self.removed]
        nominals, run = self.since(moment), 0
        while (nominal := next(nominals, None)) is not None and run < MOST_EXCLUDED:
            at = nominal.at
            day = wall_of(at, self.zone).date() if self.removed_days else None
            if day in self.removed_days:
                run += 1
                if run % _MOST_IN_ONE_DAY == 0:
                    nominals, run = self.since(_end_of(day, self.zone)), 0
            elif at in self.removed_instants or any(each.has(at) for each in removed):
                run += 1
            else:
                yield nominal
                run = 0


def source(rule: Rule, moment: datetime) -> Iterator[Nominal]:
    """The occurrences of `rule.rrule` at or after `moment` and `starts_at`, ascending, distinct, in UTC.

    DTSTART is the wall-clock time of `starts_at` in `timezone`, in whole seconds; one in the text is not looked at.
    Nothing is seen of `ends_at`, exclusions, calendars and overrides. Ends when nothing follows within 100 years.
    Raises InvalidRecurrence("rrule", …).
    """
    if rule.rrule is None:
        raise InvalidRecurrence("rrule", "is empty; give a recurrence like FREQ=DAILY")
    zone = ZoneInfo(rule.timezone)
    dtstart = wall_of(rule.starts_at, zone).replace(microsecond=0)
    second = rule.starts_at if dtstart.fold and rule.fold is Fold.FIRST else None
    compiled = _compiled(rule.rrule, dtstart, rule.timezone, rule.gap, rule.fold, second)
    begin = max(in_utc("moment", moment), rule.starts_at)
    return _up_to_latest(compiled.kept(begin) if compiled.removes else compiled.since(begin))


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    """When a local day is over for good, also where clocks are set back over its midnight."""
    midnight = datetime.combine(min(day, _LAST_DAY) + timedelta(days=1), time(), zone)
    return max(midnight.replace(fold=side).astimezone(UTC) for side in (0, 1))


def check_exceptions(text: str) -> None:
    """Raises InvalidRecurrence for an EXRULE beside a rule of so many times a day that passing them by is no way.

    Such a rule would end where more than MOST_EXCLUDED of its occurrences in a row are taken away.
    """
    rules = parse(text)
    if rules.exrules and any(_times_a_day(recur) > MOST_TIMES_A_DAY for recur in rules.rules):
        message = (
            f"has an EXRULE beside a rule of more than {MOST_TIMES_A_DAY} times a day; say it with BY… parts of the "
            "RRULE (BYMONTH, BYDAY, BYHOUR), with EXDATE;VALUE=DATE, excluded_dates or a calendar"
        )
        raise InvalidRecurrence("rrule", message)


def _times_a_day(recur: Recur) -> float:
    """At most so many occurrences, on the average of the days that have any."""
    per_period = {HOURLY: 24, MINUTELY: 1_440, SECONDLY: 86_400}
    lists = (recur.byhour, recur.byminute, recur.bysecond)[max(0, recur.freq - DAILY) :]
    times = max(1.0, per_period.get(recur.freq, 1) / recur.interval)
    for named in lists:
        times *= len(named or (0,))
    return times


def check(rule: Rule) -> None:
    """Raises InvalidRecurrence("rrule", …) if the recurrence gives nothing from `starts_at` on."""
    if next(source(rule, rule.starts_at), None) is None:
        raise InvalidRecurrence(
            "rrule",
            "never occurs within 100 years of starts_at; check UNTIL, INTERVAL, the BY… parts and EXDATE",
        )


def _up_to_latest(nominals: Iterator[Nominal]) -> Iterator[Nominal]:
    for nominal in nominals:
        if nominal.at > LATEST:
            return
        yield nominal


@lru_cache(maxsize=2048)
def _compiled(
    text: str, dtstart: datetime, timezone: str, gap: Gap, fold: Fold, second: datetime | None
) -> _Compiled:
    rules, zone = parse(text), ZoneInfo(timezone)

    def stream(recur: Recur) -> _Stream:
        until = recur.until
        if until is None or until.tzinfo is None:
            return _Stream(walk(recur, dtstart), zone, gap, fold, None, second)
        # A bound for the search only; the instant decides.
        wall = wall_of(clipped(until), zone) + timedelta(days=2)
        return _Stream(walk(replace(recur, until=wall), dtstart), zone, gap, fold, until, second)

    def instants(stamp: Stamp) -> tuple[Nominal, ...]:
        if not isinstance(stamp, datetime):
            stamp = datetime.combine(stamp, dtstart.timetz())
        if stamp.tzinfo is UTC:
            return (Nominal(stamp),)
        its_zone = stamp.tzinfo if isinstance(stamp.tzinfo, ZoneInfo) else zone
        found = resolve(stamp.replace(tzinfo=None), its_zone, gap, fold)
        return tuple(_in_its_pass(nominal, its_zone, second) for nominal in found)

    added = sorted((nominal for stamp in rules.rdates for nominal in instants(stamp)), key=_by_time)
    times = [stamp for stamp in rules.exdates if isinstance(stamp, datetime)]
    return _Compiled(
        zone=zone,
        streams=tuple(map(stream, rules.rules)),
        removed=tuple(map(stream, rules.exrules)),
        added=tuple(merged(added)),
        removed_instants=frozenset(nominal.at for stamp in times for nominal in instants(stamp)),
        removed_days=frozenset(stamp for stamp in rules.exdates if not isinstance(stamp, datetime)),
    )


class DaySet:
    """The days that a text names; times of day and zones in it are not looked at, days before DTSTART are not in it."""

    def __init__(self, rules: RuleSet) -> None:
        self.text = rules.text
        start = datetime.combine(rules.dtstart.date(), time()) if rules.dtstart else ANY_START
        self._rules = tuple(walk(_by_day(recur), start) for recur in rules.rules)
        self._exrules = tuple(walk(_by_day(recur), start) for recur in rules.exrules)
        self._added = frozenset(map(_day, rules.rdates))
        self._removed = frozenset(map(_day, rules.exdates))

    def contains(self, day: date) -> bool:
        """Whether a day is named. The price does not grow with its distance from DTSTART."""
        return day in _days_of_year(self, day.year)

    def _of_year(self, year: int) -> frozenset[date]:
        first, last = datetime(year, 1, 1), datetime(year, 12, 31)  # noqa: DTZ001
        added, removed = (_walked(walks, first, last) for walks in (self._rules, self._exrules))
        return frozenset((added | self._added) - removed - self._removed)


@lru_cache(maxsize=1024)
def _days_of_year(days: DaySet, year: int) -> frozenset[date]:
    return days._of_year(year)


def _walked(walks: tuple[Walk, ...], first: datetime, last: datetime) -> set[date]:
    days = set()
    for each in walks:
        for wall in each.since(first):
            if wall > last:
                break
            days.add(wall.date())
    return days


def _day(stamp: Stamp) -> date:
    return stamp.date() if isinstance(stamp, datetime) else stamp


def _by_day(recur: Recur) -> Recur:
    until = recur.until.replace(tzinfo=None) if recur.until else None
    return replace(recur, until=until)


@lru_cache(maxsize=256)
def day_set(text: str) -> DaySet:
    """The whole days of a recurrence, for calendars, cached; without a DTSTART in the text it begins 2000-01-01.

    Raises InvalidRecurrence("rrules", …), also for a FREQ below DAILY and for times of day.
    """
    try:
        rules = parse(text)
    except InvalidRecurrence as error:
        raise InvalidRecurrence("rrules", error.message) from None
    for recur in rules.rules + rules.exrules:
        if recur.freq > DAILY:
            raise InvalidRecurrence("rrules", "names days: use FREQ=DAILY, WEEKLY, MONTHLY or YEARLY")
        if recur.byhour or recur.byminute or recur.bysecond:
            raise InvalidRecurrence("rrules", "names days: drop BYHOUR, BYMINUTE and BYSECOND")
    return DaySet(rules)
