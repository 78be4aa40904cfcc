"""`recurrence.rrules` against python-dateutil walking from DTSTART, over random rules of every FREQ."""

# ruff: noqa: DTZ001

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import dateutil.rrule as plain
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schedules_app.recurrence import Fold, Gap, InvalidRecurrence, Rule
from schedules_app.recurrence.rrule_days import FREQUENCIES, SECONDLY, Recur
from schedules_app.recurrence.rrule_parsing import WEEKDAYS
from schedules_app.recurrence.rrule_walls import walk
from schedules_app.recurrence.rrules import day_set, parse, source
from schedules_app.recurrence.zones import resolve

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


@settings(QUIET, max_examples=1_000)
@given(cases())
def test_entered_anywhere_a_rule_goes_on_as_dateutil_does_from_its_beginning(
    case: tuple[Recur, datetime, datetime],
) -> None:
    recur, dtstart, moment = case
    expected, reached = plain_from(recur, dtstart, moment)
    times = takewhile(lambda time: time <= reached, walk(recur, dtstart).since(moment))
    assert list(islice(times, ITEMS)) == [time for time in expected if time <= reached]


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


@settings(QUIET, max_examples=150)
@given(cases())
def test_a_rule_is_read_as_it_was_written(case: tuple[Recur, datetime, datetime]) -> None:
    recur = case[0]
    with suppress(InvalidRecurrence):  # it may never occur
        assert parse(text_of(recur)).rules == (recur,)
        assert parse(text_of(recur).lower()).rules == (recur,)


ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
)
CHANGES = (datetime(2025, 3, 30), datetime(2025, 10, 26), datetime(2011, 12, 30), datetime(2025, 4, 6))


@st.composite
def zoned(draw: st.DrawFn) -> tuple[Rule, Recur, datetime]:
    freq = draw(st.sampled_from(("DAILY", "HOURLY", "MINUTELY")))
    times = {"byhour": numbers(0, 4), "byminute": numbers(0, 59, 6)} if freq == "DAILY" else {}
    given = {name: draw(values) for name, values in times.items()}
    interval = {"DAILY": 1, "HOURLY": draw(st.integers(1, 5)), "MINUTELY": draw(st.integers(10, 90))}[freq]
    recur = Recur(freq=FREQUENCIES.index(freq), interval=interval, **given)
    start = draw(st.sampled_from(CHANGES)) + timedelta(minutes=draw(st.integers(-4_000, 4_000)))
    rule = Rule(
        starts_at=start.replace(tzinfo=UTC),
        timezone=draw(st.sampled_from(ZONES)),
        rrule=text_of(recur),
        gap=draw(st.sampled_from(Gap)),
        fold=draw(st.sampled_from(Fold)),
    )
    return rule, recur, rule.starts_at + timedelta(minutes=draw(st.integers(0, 6_000)))


def read_each(rule: Rule, recur: Recur, end: datetime) -> list[datetime]:
    """By brute force: every wall-clock time of dateutil, each resolved for itself."""
    zone = ZoneInfo(rule.timezone)
    dtstart = rule.starts_at.astimezone(zone).replace(tzinfo=None)
    walls: Iterator[datetime] = iter(original(recur, dtstart))
    last = end.replace(tzinfo=None) + timedelta(days=3)
    near = takewhile(lambda wall: wall < last, walls)
    found = {nominal.at for wall in near for nominal in resolve(wall, zone, rule.gap, rule.fold)}
    return sorted(at for at in found if rule.starts_at <= at < end)


def until(nominals: Iterable[Any], end: datetime) -> list[datetime]:
    return [nominal.at for nominal in takewhile(lambda nominal: nominal.at < end, nominals)]


@settings(QUIET, max_examples=150)
@given(zoned())
def test_through_gaps_and_folds_each_wall_clock_time_comes_once_from_any_moment_on(
    case: tuple[Rule, Recur, datetime],
) -> None:
    rule, recur, moment = case
    end = rule.starts_at + timedelta(days=7)
    expected = read_each(rule, recur, end)
    assert until(source(rule, rule.starts_at), end) == expected
    assert until(source(rule, moment), end) == [at for at in expected if at >= moment]


@settings(QUIET, max_examples=150)
@given(zoned())
def test_notes_and_skips_do_not_depend_on_where_the_search_begins(case: tuple[Rule, Recur, datetime]) -> None:
    rule, _, moment = case
    end = moment + timedelta(days=2)
    whole = takewhile(lambda nominal: nominal.at < end, source(rule, rule.starts_at))
    late = takewhile(lambda nominal: nominal.at < end, source(rule, moment))
    assert list(late) == [nominal for nominal in whole if nominal.at >= moment]


BASE = datetime(2024, 2, 27, 8, 30)


@st.composite
def frequent(draw: st.DrawFn) -> str:
    freq = draw(st.sampled_from(("WEEKLY", "DAILY", "HOURLY", "MONTHLY")))
    recur = Recur(
        freq=FREQUENCIES.index(freq),
        interval=draw(st.integers(1, 4)),
        byday=draw(st.one_of(st.just(()), PLAIN_DAYS)),
        byhour=draw(st.one_of(st.just(()), st.just((6, 7, 8, 9, 10)))),
        byminute=draw(st.sampled_from(((), (0, 30)))),
        count=draw(st.sampled_from((None, None, 5, 60))),
    )
    if recur.count is None:  # so that dateutil comes to an end, too
        recur = replace(recur, until=(BASE + timedelta(days=330)).replace(tzinfo=UTC))
    return text_of(recur, "XX")


def stamps(draw: st.DrawFn, name: str) -> list[str]:
    minutes = draw(st.lists(st.integers(0, 24 * 2 * 60), max_size=4))
    times = [BASE + timedelta(minutes=30 * minute) for minute in minutes]
    return [f"{name}:" + ",".join(f"{time:%Y%m%dT%H%M%SZ}" for time in times)] if times else []


@st.composite
def sets(draw: st.DrawFn) -> str:
    rules = [rule.replace("XX", "RRULE") for rule in draw(st.lists(frequent(), min_size=1, max_size=3))]
    exrules = [rule.replace("XX", "EXRULE") for rule in draw(st.lists(frequent(), max_size=2))]
    return "\n".join([*rules, *exrules, *stamps(draw, "RDATE"), *stamps(draw, "EXDATE")])


@settings(QUIET, max_examples=150)
@given(sets(), st.integers(0, 24 * 300))
def test_a_set_of_rules_and_dates_is_dateutils_set(text: str, hours: int) -> None:
    dtstart = BASE.replace(tzinfo=UTC)
    moment, end = dtstart + timedelta(hours=hours), dtstart + timedelta(days=330)
    try:
        rules = parse(text)
    except InvalidRecurrence:
        assume(False)
    whole = plain.rrulestr(rules.text, dtstart=dtstart, forceset=True)
    with suppress(ValueError):  # dateutil's word for a sub-daily rule that is empty
        expected = [time for time in takewhile(lambda time: time < end, whole) if time >= moment]
        rule = Rule(starts_at=dtstart, rrule=text)
        assert until(source(rule, moment), end) == expected


@settings(QUIET, max_examples=120)
@given(recurs(slowest=3), st.integers(2000, 2040))
def test_a_day_is_in_a_set_of_days_if_dateutil_gives_it(recur: Recur, year: int) -> None:
    recur = replace(recur, byhour=(), byminute=(), bysecond=())
    try:
        days = day_set(text_of(recur))
    except InvalidRecurrence:
        assume(False)
    first = datetime(year, 1, 1)
    with mock.patch.object(plain, "_iterinfo", Counting), suppress(Exhausted):
        expected = original(recur, datetime(2000, 1, 1)).between(first, datetime(year, 12, 31), inc=True)
        every = [first.date() + timedelta(days=n) for n in range(365)]
        assert [day for day in every if days.contains(day)] == [
            time.date() for time in expected if time.date() in set(every)
        ]


WORDS = st.sampled_from(
    [
        *"=;:,-+ \n\r\tZT/()²",
        "RRULE:",
        "EXRULE:",
        "RDATE",
        "EXDATE",
        "DTSTART",
        "TZID=Europe/Berlin",
        "VALUE=DATE",
    ]
    + [f"FREQ={name};" for name in FREQUENCIES]
    + [
        "INTERVAL=",
        "COUNT=",
        "UNTIL=",
        "WKST=",
        "BYDAY=",
        "BYMONTH=",
        "BYSETPOS=",
        "BYHOUR=",
        "BYSECOND=",
        "BYWEEKNO=",
    ]
    + [
        *WEEKDAYS,
        "0",
        "1",
        "-1",
        "53",
        "60",
        "366",
        "00010101T000000Z",
        "99991231",
        "99991231T235959Z",
        "20250230",
    ]
)


@settings(QUIET, max_examples=1_000)
@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map("".join)))
def test_any_text_is_either_a_recurrence_or_invalid(text: str) -> None:
    with suppress(InvalidRecurrence):
        parse(text)
        day_set(text)


@settings(QUIET, max_examples=120)
@given(
    cases(),
    st.sampled_from(ZONES),
    st.sampled_from((1, 2, 1969, 2025, 9998, 9999)),
    st.sampled_from(
        ("", ";UNTIL=00010101T000000Z", ";UNTIL=99991231T235959Z", ";UNTIL=99991231", ";COUNT=100000")
    ),
)
def test_any_recurrence_can_be_followed_at_the_calendars_ends(
    case: tuple[Recur, datetime, datetime], zone: str, year: int, ending: str
) -> None:
    text = text_of(replace(case[0], until=None, count=None)) + ending
    starts_at = (
        datetime(year, 12, 28, 11, 5, tzinfo=UTC) if year > 1 else datetime(1, 1, 3, 11, 5, tzinfo=UTC)
    )
    with suppress(InvalidRecurrence):
        found = [
            n.at for n in islice(source(Rule(starts_at=starts_at, timezone=zone, rrule=text), starts_at), 3)
        ]
        assert found == sorted(set(found))
