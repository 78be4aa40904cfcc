"""Brute-force models of recurrence, independent of the code under test: they look at every instant or every day."""

import calendar as months
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)

# Weeks with changes: both hemispheres, half-hour shifts, at midnight, rules that changed, a lost day, far ahead.
CHANGES = (
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2123, 3, 28, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2150, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 10, 29, 21, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 2, 15, 2, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),
    ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=UTC)),
    ("Asia/Pyongyang", datetime(2015, 8, 14, 15, tzinfo=UTC)),
    ("America/Caracas", datetime(2007, 12, 9, 7, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(1985, 12, 31, 18, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=UTC)),
    ("America/Juneau", datetime(1867, 10, 18, 20, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Pacific/Auckland", datetime(2026, 4, 4, 14, tzinfo=UTC)),
    ("UTC", datetime(2026, 2, 28, tzinfo=UTC)),
)


def clock_at(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


class Minutes:
    """What the clocks of a zone show at each whole UTC second of a step, from `begin` to `end`."""

    def __init__(self, zone: ZoneInfo, begin: datetime, end: datetime, step: timedelta = MINUTE) -> None:
        self.shown: dict[datetime, list[datetime]] = {}
        self.jumps: list[tuple[datetime, datetime, datetime]] = []  # clock before, clock after, when
        moment, last = begin, None
        while moment < end:
            clock = clock_at(moment, zone)
            self.shown.setdefault(clock, []).append(moment)
            if last is not None and clock - last > step:
                self.jumps.append((last + step, clock, moment))
            moment, last = moment + step, clock
        self.all = sorted((at, clock) for clock, ats in self.shown.items() for at in ats)

    def read(self, wall: datetime, *, to_edge: bool) -> tuple[list[datetime], str]:
        """The instants that show a wall-clock time, or the one that stands in for it in a gap."""
        if wall in self.shown:
            found = self.shown[wall]
            return found, "fold" if len(found) > 1 else ""
        for before, after, when in self.jumps:
            if before <= wall < after:
                return [when if to_edge else when + (wall - before)], "gap"
        return [], "outside"


def numbers(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> set[int]:
    """The numbers of a plain cron field; the tests' own reading."""
    found: set[int] = set()
    for term in field.upper().split(","):
        span, _, step = term.partition("/")
        if span == "*":
            begin, end = low, high
        else:
            ends = [names.index(part) + low if part in names else int(part) for part in span.split("-")]
            begin, end = ends[0], ends[-1] if len(ends) > 1 or not step else high
        found.update(range(begin, end + 1, int(step or 1)))
    return found


class CronModel:
    """A plain cron expression as the tests read it."""

    def __init__(self, fields: list[str]) -> None:
        self.minutes, self.hours = numbers(fields[0], 0, 59), numbers(fields[1], 0, 23)
        self.months = numbers(fields[3], 1, 12)
        self.days = set() if fields[2] == "L" else numbers(fields[2], 1, 31)
        self.has_last = fields[2] == "L"
        self.nth = tuple(map(int, fields[4].split("#"))) if "#" in fields[4] else None
        self.weekdays = set() if self.nth else {number % 7 for number in numbers(fields[4], 0, 7)}
        self.is_and = fields[2].startswith("*") or fields[4].startswith("*")
        self.is_wildcard = fields[0].startswith("*") or fields[1].startswith("*")

    def matches(self, clock: datetime) -> bool:
        return clock.minute in self.minutes and clock.hour in self.hours and self.has_day(clock.date())

    def has_day(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        is_last = self.has_last and day.day == months.monthrange(day.year, day.month)[1]
        by_day = is_last or day.day in self.days
        by_weekday = (weekday, (day.day + 6) // 7) == self.nth or weekday in self.weekdays
        return day.month in self.months and (by_day and by_weekday if self.is_and else by_day or by_weekday)


def walls_between(begin: datetime, end: datetime, step: timedelta = MINUTE) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += step


def chosen(readings: list[datetime], kind: str, fold: str) -> list[datetime]:
    if kind != "fold":
        return readings
    return {"first": readings[:1], "second": readings[-1:], "both": readings}[fold]


def falling_together(items: Iterable[tuple[datetime, bool]]) -> list[tuple[datetime, bool]]:
    """Pairs of a time and whether it fires, as one per time that fires if any does."""
    found: dict[datetime, bool] = {}
    for at, fires in items:
        found[at] = found.get(at, False) or fires
    return sorted(found.items())
