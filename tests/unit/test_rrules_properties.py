"""`recurrence.rrules` against python-dateutil walking from DTSTART, over random rules of every FREQ."""

# ruff: noqa: DTZ001

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import dateutil.rrule as plain
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schedules_app.recurrence import Fold, Gap, InvalidRecurrence, Rule
from schedules_app.recurrence.rrule_days import FREQUENCIES, Recur
from schedules_app.recurrence.rrule_parsing import WEEKDAYS
from schedules_app.recurrence.rrule_walls import walk
from schedules_app.recurrence.rrules import day_set, parse, source
from schedules_app.recurrence.zones import resolve
from tests.unit.rrule_cases import (
    ITEMS,
    PLAIN_DAYS,
    QUIET,
    Counting,
    Exhausted,
    cases,
    numbers,
    original,
    plain_from,
    recurs,
    text_of,
)


@pytest.mark.timeout(300)  # some 20 s alone, and much longer beside tests that load the machine
@settings(QUIET, max_examples=500)
@given(cases())
def test_entered_anywhere_a_rule_goes_on_as_dateutil_does_from_its_beginning(
    case: tuple[Recur, datetime, datetime],
) -> None:
    recur, dtstart, moment = case
    expected, reached = plain_from(recur, dtstart, moment)
    times = takewhile(lambda time: time <= reached, walk(recur, dtstart).since(moment))
    assert list(islice(times, ITEMS)) == [time for time in expected if time <= reached]


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
