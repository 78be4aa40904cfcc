"""Random schedules for the simulated year, and which occurrences each has: by brute force over days and minutes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Asia/Tokyo",
    "America/St_Johns",
)


@dataclass
class Plan:
    """A schedule's columns, and its occurrences of the year: time -> whether it fires."""

    columns: dict[str, Any]
    items: list[tuple[datetime, bool]] = field(default_factory=list)


def plans(count: int, draw: random.Random) -> list[Plan]:
    """So many schedules, of all kinds and in all zones in turn."""
    makers = (_interval, _days, _cron, _cron, _wildcard, _rrule, _rrule)
    return [_plan(makers[n % len(makers)], ZONES[n % len(ZONES)], draw) for n in range(count)]


def _plan(make: Any, name: str, draw: random.Random) -> Plan:
    starts_at = BEGIN + draw.randrange(1, 20 * 1440) * MINUTE
    columns: dict[str, Any] = {"timezone": name, "starts_at": starts_at, "every_x_hours": None}
    columns["gap"], columns["fold"] = draw.choice(["shift", "skip"]), draw.choice(["first", "second", "both"])
    if draw.random() < 0.2:
        columns["ends_at"] = starts_at + draw.randrange(60, 300) * DAY
    found = make(columns, ZoneInfo(name), draw)
    days = {(BEGIN + n * DAY).date().isoformat() for n in range(365)}
    excluded = set(draw.sample(sorted(days), 20)) if draw.random() < 0.3 else set()
    columns["excluded_dates"] = sorted(excluded)
    end = min(END, columns.get("ends_at") or END)
    items: dict[datetime, bool] = {}
    for at, fires in found:
        if starts_at <= at <= end:
            out = at.astimezone(ZoneInfo(name)).date().isoformat() in excluded
            items[at] = items.get(at, False) or (fires and not out)
    return Plan(columns | _policies(draw), sorted(items.items()))


def _policies(draw: random.Random) -> dict[str, Any]:
    return {
        "catch_up": draw.choice(["latest", "all", "skip"]),
        "catch_up_window_seconds": draw.choice([None, 3600.0, 5 * 86400.0]),
        "catch_up_limit": draw.choice([3, 20, 100]),
        "overlap": draw.choice(["allow", "allow", "skip", "buffer_one", "buffer_all", "cancel_previous"]),
        "expires_after_seconds": draw.choice([None, None, 1800.0, 86400.0]),
        "jitter_seconds": draw.choice([0, 0, 300]),
        "schedule_x_times": draw.choice([None, None, None, 40]),
    }


def _interval(
    columns: dict[str, Any], zone: ZoneInfo, draw: random.Random
) -> Iterator[tuple[datetime, bool]]:
    unit, number = draw.choice([("minutes", draw.randrange(1000, 9000)), ("hours", draw.randrange(20, 200))])
    columns[f"every_x_{unit}"] = number
    step, at = timedelta(**{unit: number}), columns["starts_at"]
    while at < END:
        yield at, True
        at += step


def _days(columns: dict[str, Any], zone: ZoneInfo, draw: random.Random) -> Iterator[tuple[datetime, bool]]:
    step = columns["every_x_days"] = draw.randrange(1, 4)
    first = columns["starts_at"].astimezone(zone).replace(tzinfo=None)
    for n in range(0, 367, step):
        yield from _read(first + n * DAY, zone, columns, to_edge=False)


def _cron(columns: dict[str, Any], zone: ZoneInfo, draw: random.Random) -> Iterator[tuple[datetime, bool]]:
    minutes = sorted(draw.sample(range(60), draw.choice([1, 1, 2])))
    hours = sorted(draw.sample([0, 1, 2, 2, 3, 9, 17, 23], draw.choice([1, 2])))
    weekdays = sorted(draw.sample(range(7), draw.choice([2, 5, 7])))  # 0 is Sunday
    columns["cron"] = "{} {} * * {}".format(
        *(",".join(map(str, part)) for part in (minutes, hours, weekdays))
    )
    for day in range(-1, 366):
        wall = (BEGIN + day * DAY).replace(tzinfo=None)
        if wall.isoweekday() % 7 in weekdays:
            for hour in hours:
                for minute in minutes:
                    yield from _read(wall.replace(hour=hour, minute=minute), zone, columns, to_edge=True)


def _wildcard(
    columns: dict[str, Any], zone: ZoneInfo, draw: random.Random
) -> Iterator[tuple[datetime, bool]]:
    """The cadence of the real clock: neither gap nor fold means anything to it."""
    minute, step = draw.randrange(60), draw.choice([6, 12])
    columns["cron"] = f"{minute} */{step} * * *"
    for at, clock in _clock(zone.key):
        if clock.minute == minute and clock.hour % step == 0:
            yield at, True


def _rrule(columns: dict[str, Any], zone: ZoneInfo, draw: random.Random) -> Iterator[tuple[datetime, bool]]:
    columns["rrule"] = draw.choice(
        [
            "FREQ=DAILY;INTERVAL=2;BYHOUR=2;BYMINUTE=30;BYSECOND=0",
            "FREQ=WEEKLY;BYDAY=MO,WE,SU;BYHOUR=0,2;BYMINUTE=15;BYSECOND=0",
            "FREQ=MONTHLY;BYMONTHDAY=-1,15;BYHOUR=1;BYMINUTE=59;BYSECOND=0",
            "FREQ=MONTHLY;BYDAY=2TU,-1SU;BYHOUR=2;BYMINUTE=0;BYSECOND=0",
            "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0;BYSECOND=0",
        ]
    )
    first = columns["starts_at"].astimezone(zone).replace(tzinfo=None)
    for wall in rrulestr(columns["rrule"], dtstart=first).between(first, first + 370 * DAY, inc=True):
        yield from _read(wall, zone, columns, to_edge=False)


def _read(
    wall: datetime, zone: ZoneInfo, columns: dict[str, Any], *, to_edge: bool
) -> Iterator[tuple[datetime, bool]]:
    """The instants of a wall-clock time, by whether they show it when they are read back."""
    ways = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    real = sorted({at for at in ways if at.astimezone(zone).replace(tzinfo=None) == wall})
    if real:
        chosen = {"first": real[:1], "second": real[-1:], "both": real}[columns["fold"]]
        yield from ((at, True) for at in chosen)
        return
    at = max(ways)  # in a gap: read with the offset before it
    if to_edge:
        at = next(a for a in _minutes(min(ways), max(ways)) if a.astimezone(zone).replace(tzinfo=None) > wall)
    yield at, columns["gap"] == "shift"


def _minutes(begin: datetime, end: datetime) -> Iterator[datetime]:
    while begin <= end:
        yield begin
        begin += MINUTE


@lru_cache(maxsize=2)
def _clock(name: str) -> list[tuple[datetime, datetime]]:
    zone = ZoneInfo(name)
    return [(at, at.astimezone(zone)) for at in _minutes(BEGIN, END)]
