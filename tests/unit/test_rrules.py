"""`recurrence.rrules`: what is read, what is refused, gaps and folds, and how much work an old rule makes."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schedules_app.recurrence import (
    Fold,
    Gap,
    InvalidRecurrence,
    Note,
    Rule,
    Skip,
    rrule_days,
    rrule_walls,
    rrules,
)
from schedules_app.recurrence.rrules import check, check_exceptions, day_set, parse, source

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def occurrences(text: str, start: str, most: int = 8, zone: str = "UTC", **options: Any) -> list[str]:
    """The first occurrences as wall-clock times of the zone, with their offset."""
    rule = Rule(starts_at=at(start, zone), timezone=zone, rrule=text, **options)
    found = islice(source(rule, rule.starts_at), most)
    return [f"{nominal.at.astimezone(ZoneInfo(zone)):%m-%d %H:%M %z}" for nominal in found]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "give a line like RRULE:FREQ=DAILY"),
        ("EXDATE:20260101T000000Z", "give a line like RRULE:FREQ=DAILY"),
        ("INTERVAL=2", "give FREQ= one of YEARLY"),
        ("FREQ=FORTNIGHTLY", "use one of YEARLY"),
        ("FREQ=DAILY;", "unknown part ''"),
        ("FREQ=DAILY;BYEASTER=1", "unknown part 'BYEASTER=1'"),
        ("FREQ=DAILY;FREQ=DAILY", "give it once"),
        ("FREQ=DAILY;INTERVAL=0", "from 1 to 2147483647"),
        ("FREQ=DAILY;INTERVAL=½", "from 1 to 2147483647"),
        ("FREQ=DAILY;COUNT=0", "from 1 to 100000"),
        ("FREQ=DAILY;COUNT=100001", "from 1 to 100000"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20260101", "keep one of them"),
        ("FREQ=DAILY;UNTIL=tomorrow", "use 20261231T090000Z"),
        ("FREQ=DAILY;UNTIL=20260230", "use 20261231T090000Z"),
        ("FREQ=DAILY;WKST=8", "use one of MO"),
        ("FREQ=DAILY;BYMONTH=13", "from 1 to 12"),
        ("FREQ=DAILY;BYMONTH=", "from 1 to 12"),
        ("FREQ=DAILY;BYMONTH=-1", "from 1 to 12"),
        ("FREQ=DAILY;BYHOUR=24", "from 0 to 23"),
        ("FREQ=DAILY;BYSECOND=60", "from 0 to 59"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "from -1 backwards"),
        ("FREQ=MONTHLY;BYDAY=6MO", "from -5 to 5"),
        ("FREQ=MONTHLY;BYDAY=0MO", "use weekdays like MO"),
        ("FREQ=WEEKLY;BYDAY=1MO", "need FREQ=MONTHLY"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "need FREQ=MONTHLY"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never occurs"),
        ("DTSTART:20260101T000000\nRRULE:FREQ=HOURLY;INTERVAL=2;BYHOUR=1,3", "never occurs"),
        ("DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY;UNTIL=20251231T000000Z", "never occurs"),
        ("RRULE:FREQ=DAILY\nDTSTART:20260101T000000\nDTSTART:20260101T000000", "more than one DTSTART"),
        ("DTSTART;TZID=Mars/Olympus:20260101T000000\nRRULE:FREQ=DAILY", "use one like TZID=Europe/Berlin"),
        ("DTSTART;TZID=Europe/Berlin:20260101T000000Z\nRRULE:FREQ=DAILY", "drop it, or the Z"),
        ("RDATE;VALUE=DATE:20260101T000000", "VALUE=DATE goes with days"),
        ("RDATE;VALUE=PERIOD:20260101T000000Z/PT1H", "use TZID=…"),
        ("RDATE:00010101T000000Z", "use years from 2 to 9998"),
        ("RRULE;X=1:FREQ=DAILY", "takes no parameters"),
        ("SUMMARY:Backup\nRRULE:FREQ=DAILY", "begin it with RRULE:"),
        ("RRULE:FREQ=DAILY\n" * 11, "at most 10"),
        ("RDATE:" + "20260101T000000Z," * 300, "at most 4000 characters"),
    ],
)
def test_a_fault_is_refused_with_what_would_do(text: str, hint: str) -> None:
    with pytest.raises(InvalidRecurrence) as refused:
        parse(text)
    assert refused.value.field == "rrule"
    assert hint in refused.value.message


def test_times_of_day_that_would_fill_the_memory_are_refused() -> None:
    every = ",".join(map(str, range(60)))
    with pytest.raises(InvalidRecurrence, match="use FREQ=SECONDLY"):
        parse(f"FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE={every};BYSECOND={every}")


def test_a_start_in_utc_in_a_zone_and_on_the_wall_are_told_apart() -> None:
    utc = parse("DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY")
    zoned = parse("dtstart;tzid=Europe/Berlin:20260105T090000\nrrule:freq=daily")
    local = parse("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY")
    assert (utc.dtstart, utc.timezone) == (at("2026-01-05T09:00"), None)
    assert (zoned.dtstart, zoned.timezone) == (at("2026-01-05T09:00", BERLIN), BERLIN)
    assert (local.dtstart, local.timezone) == (datetime(2026, 1, 5), None)  # noqa: DTZ001


def test_folded_lines_are_one() -> None:
    assert (
        parse("RRULE:FREQ=WEEKLY;BYD\r\n AY=MO,\r\n\tFR\r\n").rules == parse("FREQ=WEEKLY;BYDAY=MO,FR").rules
    )


def test_weekdays_with_and_without_numbers_are_alternatives() -> None:
    found = occurrences("FREQ=MONTHLY;BYDAY=MO,1FR", "2026-05-01T09:00", 6)
    assert [text[:5] for text in found] == ["05-01", "05-04", "05-11", "05-18", "05-25", "06-01"]


def test_the_start_occurs_only_if_the_rule_gives_it() -> None:
    assert occurrences("FREQ=MONTHLY;BYDAY=-1FR;COUNT=1", "2026-05-01T09:00") == ["05-29 09:00 +0000"]


def test_count_counts_from_the_start_and_before_exceptions() -> None:
    text = "RRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260502T090000Z"
    assert occurrences(text, "2026-05-01T09:00") == ["05-01 09:00 +0000", "05-03 09:00 +0000"]


def test_a_count_does_not_begin_anew_in_the_middle() -> None:
    rule = Rule(starts_at=at("2020-01-01T00:00"), rrule="FREQ=HOURLY;COUNT=50")
    assert len(list(source(rule, at("2020-01-02T12:00")))) == 14
    assert list(source(rule, at("2026-01-01T00:00"))) == []


@pytest.mark.parametrize(
    ("until", "days"),
    [
        ("20260503", 3),  # the whole of the day
        ("20260503T090000", 3),
        ("20260503T085959", 2),
        ("20260503T070000Z", 3),  # 09:00 in Berlin
        ("20260503T065959Z", 2),
    ],
)
def test_until_is_inclusive_and_compares_instants_in_utc_else_wall_clock_times(until: str, days: int) -> None:
    assert len(occurrences(f"FREQ=DAILY;UNTIL={until}", "2026-05-01T09:00", zone=BERLIN)) == days


def test_an_until_in_utc_ends_between_the_two_passes_of_a_fold() -> None:
    text, start = "FREQ=DAILY;UNTIL=20261025T003000Z", "2026-10-24T02:30"
    assert len(occurrences(text, start, zone=BERLIN)) == 2
    assert len(occurrences(text, start, zone=BERLIN, fold=Fold.SECOND)) == 1


@pytest.mark.parametrize(
    ("zone", "start", "shifted"),
    [
        (BERLIN, "2026-03-28T02:30", "03-29 03:30 +0200"),
        (NEW_YORK, "2026-03-07T02:30", "03-08 03:30 -0400"),
        (LORD_HOWE, "2026-10-03T02:15", "10-04 02:45 +1100"),  # half an hour
    ],
)
def test_in_a_gap_a_time_is_read_with_the_offset_before_it_or_skipped(
    zone: str, start: str, shifted: str
) -> None:
    assert occurrences("FREQ=DAILY", start, 2, zone)[1] == shifted
    rule = Rule(starts_at=at(start, zone), timezone=zone, rrule="FREQ=DAILY", gap=Gap.SKIP)
    second = list(islice(source(rule, rule.starts_at), 2))[1]
    assert (second.skip, second.notes) == (Skip.DST_GAP, (Note.GAP,))


@pytest.mark.parametrize(
    ("zone", "start", "first", "second"),
    [
        (BERLIN, "2026-10-24T02:30", "10-25 02:30 +0200", "10-25 02:30 +0100"),
        (NEW_YORK, "2026-10-31T01:30", "11-01 01:30 -0400", "11-01 01:30 -0500"),
        (LORD_HOWE, "2026-04-04T01:45", "04-05 01:45 +1100", "04-05 01:45 +1030"),
    ],
)
def test_in_a_fold_the_chosen_pass_occurs(zone: str, start: str, first: str, second: str) -> None:
    assert occurrences("FREQ=DAILY", start, 2, zone)[1:] == [first]
    assert occurrences("FREQ=DAILY", start, 2, zone, fold=Fold.SECOND)[1:] == [second]
    assert occurrences("FREQ=DAILY", start, 3, zone, fold=Fold.BOTH)[1:] == [first, second]


@pytest.mark.parametrize(
    ("text", "minutes"), [("DAILY", [0, 1440, 2880]), ("HOURLY", [0, 60, 120]), ("MINUTELY", [0, 1, 2])]
)
@pytest.mark.parametrize("fold", Fold)
def test_a_start_in_the_second_pass_of_a_fold_is_its_own_first_occurrence(
    text: str, minutes: list[int], fold: Fold
) -> None:
    start = at("2025-10-26T01:30:00")  # 02:30 in Berlin, for the second time
    rule = Rule(starts_at=start, timezone=BERLIN, rrule=f"FREQ={text};COUNT=3", fold=fold)
    found = [nominal.at for nominal in source(rule, start)]
    assert found == [start + timedelta(minutes=number) for number in minutes]
    assert [nominal.at for nominal in source(rule, found[1])] == found[1:]


def test_a_start_in_the_first_pass_of_a_fold_keeps_to_that() -> None:
    assert occurrences("FREQ=HOURLY;COUNT=2", "2025-10-26T02:30", 3, BERLIN) == [
        "10-26 02:30 +0200",
        "10-26 03:30 +0100",
    ]


def test_within_the_first_pass_of_a_fold_earlier_times_still_have_their_second() -> None:
    rule = Rule(
        starts_at=at("2026-10-24T02:10", BERLIN), timezone=BERLIN, rrule="FREQ=DAILY", fold=Fold.SECOND
    )
    assert next(source(rule, at("2026-10-25T00:30"))).at == at("2026-10-25T01:10")


def test_dates_are_read_in_utc_in_their_zone_or_in_the_rules() -> None:
    text = (
        "RDATE:20260601T080000Z,20260602T080000\nRDATE;TZID=America/New_York:20260603T080000\nRDATE:20260604"
    )
    assert occurrences(text, "2026-05-01T09:00", zone=BERLIN) == [
        "06-01 10:00 +0200",
        "06-02 08:00 +0200",
        "06-03 14:00 +0200",
        "06-04 09:00 +0200",  # a day: at the start's time of day
    ]


def test_an_exception_removes_what_occurs_at_the_same_instant_or_day() -> None:
    text = (
        "RRULE:FREQ=HOURLY;BYHOUR=8,20\nEXDATE;TZID=America/New_York:20260501T140000\n"
        "EXDATE;VALUE=DATE:20260502\nEXRULE:FREQ=DAILY;INTERVAL=2;BYHOUR=8"
    )
    assert occurrences(text, "2026-05-01T00:00", 3, BERLIN) == [
        "05-03 20:00 +0200",
        "05-04 08:00 +0200",
        "05-04 20:00 +0200",
    ]


def test_a_rule_of_which_nothing_is_left_ends() -> None:
    text = "RRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY"
    rule = Rule(starts_at=at("2026-05-01T00:00"), rrule=text)
    assert list(source(rule, rule.starts_at)) == []
    with pytest.raises(InvalidRecurrence, match="never occurs"):
        check(rule)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;INTERVAL=86400;BYHOUR=3",
        "FREQ=MINUTELY;INTERVAL=1440;BYMINUTE=1",
        "FREQ=WEEKLY;INTERVAL=2;BYWEEKNO=53;BYMONTH=3",
    ],
)
def test_a_rule_that_never_comes_ends_soon(text: str) -> None:
    with pytest.raises(InvalidRecurrence, match="never occurs"):
        check(Rule(starts_at=at("2026-05-01T00:00"), rrule=text))


def test_a_rule_is_entered_in_a_week_off_after_the_turn_of_a_year() -> None:
    rule = Rule(starts_at=at("2024-12-17T09:00"), rrule="FREQ=WEEKLY;INTERVAL=2;BYWEEKNO=3,51;BYDAY=TU")
    assert next(source(rule, at("2025-01-08T00:00"))).at == at("2025-01-14T09:00")


def test_a_week_at_the_turn_of_a_year_is_the_same_entered_in_its_middle() -> None:
    rule = Rule(starts_at=at("2000-01-01T00:00"), rrule="FREQ=WEEKLY;BYWEEKNO=53;BYDAY=MO,TU,WE,TH,FR,SA,SU")
    whole = islice(source(rule, at("2010-12-01T00:00")), 5)
    assert list(islice(source(rule, at("2011-01-01T00:00")), 5)) == list(whole)


def calls(act: Callable[[], object]) -> int:
    """How many functions are called, dateutil's and C's included."""
    count = 0

    def profile(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=SECONDLY;INTERVAL=7;BYHOUR=12",
        "FREQ=MINUTELY",
        "FREQ=HOURLY;BYDAY=MO,TU,WE;BYSETPOS=1;BYMINUTE=5,10",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=YEARLY;BYWEEKNO=20",
        "RRULE:FREQ=MINUTELY\nEXRULE:FREQ=MINUTELY;INTERVAL=2\nRDATE:20300101T000000Z",
    ],
)
def test_an_old_rule_makes_no_more_work_than_a_fresh_one(text: str) -> None:
    now = at("2026-07-01T12:00")

    def work(age: timedelta) -> int:
        for cached in (rrules._compiled, rrule_walls.walk, rrule_days._table):
            cached.cache_clear()
        rule = Rule(starts_at=now - age, rrule=text)
        return calls(lambda: next(source(rule, now)))

    parse(text)
    fresh = max(work(timedelta(days=days)) for days in range(1, 15))
    assert work(timedelta(days=5 * 365)) <= 2 * fresh
    assert work(timedelta(days=300 * 365)) <= 2 * fresh


def test_days_are_named_as_whole_days() -> None:
    days = day_set(
        "RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25,26\nRDATE:20260501\nEXDATE:20271225\nEXRULE:FREQ=DAILY"
    )
    assert not days.contains(date(2026, 12, 26))
    days = day_set(
        "DTSTART:20240101\nRRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25\nRDATE:20260501\nEXDATE:20271225"
    )
    assert [year for year in range(2020, 2030) if days.contains(date(year, 12, 25))] == [
        2024,
        2025,
        2026,
        2028,
        2029,
    ]
    assert days.contains(date(2026, 5, 1))
    assert not days.contains(date(2026, 5, 2))


def test_days_are_found_at_the_calendars_ends() -> None:
    days = day_set("FREQ=WEEKLY;BYDAY=SA,SU")
    assert days.contains(date(9999, 12, 25)) is (date(9999, 12, 25).weekday() >= 5)
    assert not days.contains(date(1, 1, 6))


@pytest.mark.parametrize(
    ("text", "hint"),
    [("FREQ=HOURLY", "use FREQ=DAILY"), ("FREQ=DAILY;BYHOUR=3", "drop BYHOUR"), ("FREQ=NEVER", "use one of")],
)
def test_what_does_not_name_days_is_refused_for_calendars(text: str, hint: str) -> None:
    with pytest.raises(InvalidRecurrence) as refused:
        day_set(text)
    assert refused.value.field == "rrules"
    assert hint in refused.value.message


def test_a_start_with_a_fraction_of_a_second_keeps_its_first_occurrence() -> None:
    start = datetime(2026, 11, 21, 5, 52, 13, 371334, tzinfo=UTC)
    rule = Rule(starts_at=start, rrule="FREQ=MINUTELY;COUNT=3")
    assert len(list(source(rule, start.replace(microsecond=0)))) == 3


def test_a_rule_goes_on_behind_days_that_are_removed_however_often_it_occurs() -> None:
    text = "RRULE:FREQ=SECONDLY\nEXDATE;VALUE=DATE:20261225,20261226"
    rule = Rule(starts_at=at("2026-12-24T23:59:58", BERLIN), timezone=BERLIN, rrule=text)
    times = [nominal.at for nominal in islice(source(rule, rule.starts_at), 3)]
    assert times[1:] == [at("2026-12-24T23:59:59", BERLIN), at("2026-12-27T00:00", BERLIN)]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;INTERVAL=10",
        "FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5;BYSECOND=1,2,3,4",
    ],
)
def test_an_exrule_beside_a_rule_of_very_many_times_a_day_is_refused(rule: str) -> None:
    with pytest.raises(InvalidRecurrence, match="EXRULE beside"):
        check_exceptions(f"RRULE:{rule}\nEXRULE:FREQ=DAILY;BYMONTH=7")


@pytest.mark.parametrize("rule", ["FREQ=MINUTELY;INTERVAL=15", "FREQ=HOURLY;BYMINUTE=0,30", "FREQ=DAILY"])
def test_an_exrule_beside_any_other_rule_is_taken(rule: str) -> None:
    check_exceptions(f"RRULE:{rule}\nEXRULE:FREQ=DAILY;BYMONTH=7")
