"""Recurrence rules of all kinds for property tests, and dateutil's answers to them."""

# ruff: noqa: DTZ001 - wall-clock times, as the rules have them

from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from unittest import mock

import dateutil.rrule as plain
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from schedules_app.recurrence.rrule_days import FREQUENCIES, SECONDLY, Recur
from schedules_app.recurrence.rrule_parsing import WEEKDAYS

MOST_PERIODS = (40, 400, 1_000, 6_000, 4_000, 2_000, 4_000)
ITEMS = 8
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


class Exhausted(Exception):
    """The plain library has looked at enough periods; it has come as far as `day`."""

    def __init__(self, day: date) -> None:
        super().__init__(day)
        self.day = day


class Counting(plain._iterinfo):
    """Stops dateutil, which else would look for rules that never occur until the year 9999."""

    periods = 0

    def _count(self, year: int, month: int, day: int) -> None:
        self.periods += 1
        if self.periods > MOST_PERIODS[self.rrule._freq]:
            raise Exhausted(date(year, month, day))

    def ydayset(self, year: int, month: int, day: int) -> Any:
        self._count(year, 1, 1)
        return super().ydayset(year, month, day)

    def mdayset(self, year: int, month: int, day: int) -> Any:
        self._count(year, month, 1)
        return super().mdayset(year, month, day)

    def wdayset(self, year: int, month: int, day: int) -> Any:
        self._count(year, month, day)
        return super().wdayset(year, month, day)

    def ddayset(self, year: int, month: int, day: int) -> Any:
        self._count(year, month, day)
        return super().ddayset(year, month, day)


def original(recur: Recur, dtstart: datetime) -> Any:
    numbers = ("bymonth", "bymonthday", "byyearday", "byweekno", "byhour", "byminute", "bysecond", "bysetpos")
    return plain.rrule(
        recur.freq,
        dtstart=dtstart,
        interval=recur.interval,
        wkst=recur.wkst,
        count=recur.count,
        until=recur.until,
        byweekday=[plain.weekday(day, nth or None) for day, nth in recur.byday] or None,
        **{name: getattr(recur, name) or None for name in numbers},
    )


def plain_from(recur: Recur, dtstart: datetime, moment: datetime) -> tuple[list[datetime], datetime]:
    """The first times from a moment on, and how far the search went."""
    found: list[datetime] = []
    horizon = moment + timedelta(days=36_000)
    with mock.patch.object(plain, "_iterinfo", Counting):
        try:
            for time in original(recur, dtstart):
                if time > horizon:
                    break
                if time >= moment:
                    found.append(time)
                if len(found) == ITEMS:
                    return found, time
        except Exhausted as far:
            return found, datetime(far.day.year, far.day.month, far.day.day)
        except ValueError:  # a sub-daily rule that dateutil proves to be empty
            return [], horizon
    return found, horizon


def numbers(lowest: int, highest: int, most: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    return st.sets(st.integers(lowest, highest), min_size=1, max_size=most).map(sorted).map(tuple)


def signed(highest: int, most: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    values = st.integers(1, highest).flatmap(lambda n: st.sampled_from((n, -n)))
    return st.sets(values, min_size=1, max_size=most).map(sorted).map(tuple)


PLAIN_DAYS = numbers(0, 6).map(lambda days: tuple((day, 0) for day in days))


@st.composite
def weekdays(draw: st.DrawFn, recur: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """With ordinals where RFC 5545 allows them."""
    is_monthly = FREQUENCIES[recur["freq"]] == "MONTHLY"
    is_yearly = FREQUENCIES[recur["freq"]] == "YEARLY" and "byweekno" not in recur
    if not (is_monthly or is_yearly) or draw(st.booleans()):
        return draw(PLAIN_DAYS)
    nths = st.integers(1, 5 if is_monthly or "bymonth" in recur else 53)
    pairs = st.tuples(st.integers(0, 6), nths, st.sampled_from((1, -1)))
    found = draw(st.sets(pairs, min_size=1, max_size=4))
    return tuple(sorted({(day, nth * sign) for day, nth, sign in found}))


@st.composite
def recurs(draw: st.DrawFn, slowest: int = SECONDLY) -> Recur:
    recur: dict[str, Any] = {"freq": draw(st.integers(0, slowest))}
    short = st.integers(1, 12)
    odd = st.sampled_from((1, 2, 7, 13, 15, 24, 25, 36, 45, 60, 61, 90, 100, 1440, 1441, 2000))
    recur["interval"] = draw(st.one_of(st.just(1), short if recur["freq"] < 4 else odd))
    recur["wkst"] = draw(st.one_of(st.just(0), st.integers(0, 6)))
    days = {
        "bymonth": numbers(1, 12, 6),
        "bymonthday": signed(31),
        "byyearday": signed(366, 6),
        "byweekno": signed(53, 6),
    }
    times = {"byhour": numbers(0, 23), "byminute": numbers(0, 59), "bysecond": numbers(0, 59)}
    # dateutil takes seconds to pass a filtered day of a SECONDLY rule second by second.
    is_timed = draw(st.booleans()) if recur["freq"] == SECONDLY else None
    chosen = times if is_timed else days if is_timed is False else {**days, **times}
    for name in draw(st.lists(st.sampled_from(sorted(chosen)), max_size=3, unique=True)):
        recur[name] = draw(chosen[name])
    if not is_timed and draw(st.booleans()):
        recur["byday"] = draw(weekdays(recur))
    if draw(st.integers(0, 3)) == 0:
        recur["bysetpos"] = draw(signed(draw(st.sampled_from((3, 30, 366)))))
    return Recur(**recur)


AGES = {4: 3_000, 5: 50, 6: 0.8}  # hours: how long dateutil is made to walk from DTSTART
STARTS = st.datetimes(datetime(1975, 1, 1), datetime(2040, 12, 31)).map(lambda t: t.replace(microsecond=0))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Recur, datetime, datetime]:
    recur, dtstart = draw(recurs()), draw(STARTS)
    hours = draw(st.one_of(st.just(0.0), st.floats(0, AGES.get(recur.freq, 24 * 365 * 11))))
    moment = dtstart + timedelta(hours=hours)
    ending = draw(st.integers(0, 4))
    if ending == 0:
        return replace(recur, count=draw(st.sampled_from((1, 2, 5, 40, 300)))), dtstart, moment
    if ending == 1:
        later = timedelta(days=draw(st.integers(-40, 800)), seconds=draw(st.integers(0, 90_000)))
        with suppress(ValueError):
            return replace(recur, until=(moment + later).replace(microsecond=0)), dtstart, moment
    return recur, dtstart, moment


def text_of(recur: Recur, name: str = "RRULE") -> str:
    parts = [f"FREQ={FREQUENCIES[recur.freq]}", f"INTERVAL={recur.interval}", f"WKST={WEEKDAYS[recur.wkst]}"]
    if recur.count is not None:
        parts.append(f"COUNT={recur.count}")
    if recur.until is not None:
        parts.append(f"UNTIL={recur.until:%Y%m%dT%H%M%S}{'Z' if recur.until.tzinfo else ''}")
    if recur.byday:
        parts.append("BYDAY=" + ",".join(f"{nth or ''}{WEEKDAYS[day]}" for day, nth in recur.byday))
    for field in (
        "bymonth",
        "bymonthday",
        "byyearday",
        "byweekno",
        "byhour",
        "byminute",
        "bysecond",
        "bysetpos",
    ):
        if values := getattr(recur, field):
            parts.append(f"{field.upper()}=" + ",".join(map(str, values)))
    return f"{name}:" + ";".join(parts)
