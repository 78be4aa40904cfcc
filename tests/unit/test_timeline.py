"""Exclusions, calendars, rolls and overrides: fixed cases, and a model that goes through all days."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules_app.recurrence import (
    Calendar,
    Gap,
    InvalidRecurrence,
    Nominal,
    Note,
    Roll,
    Rule,
    Skip,
    check_calendar,
    next_from,
    upcoming,
)
from schedules_app.recurrence.timeline import source
from tests.unit.recurrence_models import CHANGES

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WEEKENDS = Calendar("weekends", rrules=("FREQ=WEEKLY;BYDAY=SA,SU",))
ALWAYS = Calendar("always", rrules=("FREQ=DAILY",))


def _rule(**columns: Any) -> Rule:
    kind = {} if {"days", "hours", "seconds", "rrule"} & set(columns) else {"cron": "0 9 * * *"}
    return Rule(**{"starts_at": START, **kind, **columns})


def _days(rule: Rule, count: int, moment: datetime = START) -> list[str]:
    return [f"{item.at:%a %d}{'-' if item.skip else ''}" for item in islice(upcoming(rule, moment), count)]


def test_an_excluded_date_is_the_whole_local_day() -> None:
    rule = _rule(hours=1, timezone="Asia/Tokyo", excluded=("2026-03-03",))
    items = list(islice(upcoming(rule, START), 48))
    out = [item for item in items if item.skip]
    assert [out[0].at, out[-1].at] == [START + 15 * HOUR, START + 38 * HOUR]
    assert {(item.skip, item.notes) for item in out} == {(Skip.EXCLUDED, (Note.EXCLUDED,))}


def test_an_excluded_instant_is_just_that_in_any_offset() -> None:
    rule = _rule(hours=1, excluded=("2026-03-02T03:00:00+02:00",))
    assert [item.skip for item in islice(upcoming(rule, START), 3)] == [None, Skip.EXCLUDED, None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-02-30",
        "20260301",
        "2026-W10-1",
        "2026-03-02T09:00:00",
        "0001-01-01T00:00:00+14:00",
        5,
    ],
)
def test_a_bad_exclusion_is_refused(text: Any) -> None:
    with pytest.raises(InvalidRecurrence) as refusal:
        _rule(excluded=(text,))
    assert refusal.value.field == "excluded_dates"
    assert "2026-12-25" in refusal.value.message


@pytest.mark.parametrize(
    ("calendar", "field"),
    [(Calendar("x", dates=("25.12.2026",)), "dates"), (Calendar("x", rrules=("FREQ=OFTEN",)), "rrules")],
)
def test_a_bad_calendar_is_refused(calendar: Calendar, field: str) -> None:
    with pytest.raises(InvalidRecurrence) as refusal:
        check_calendar(calendar)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("roll", "expected"),
    [
        (Roll.SKIP, ["Fri 06", "Sat 07-", "Sun 08-", "Mon 09"]),
        (Roll.NEXT, ["Fri 06", "Mon 09", "Tue 10", "Wed 11"]),
        (Roll.PREVIOUS, ["Fri 06", "Mon 09", "Tue 10", "Wed 11"]),
    ],
)
def test_a_calendar_rolls_as_the_rule_says(roll: Roll, expected: list[str]) -> None:
    assert _days(_rule(calendars=(WEEKENDS,), roll=roll), 4, START + 4 * DAY) == expected


def test_a_rolled_occurrence_keeps_its_wall_clock_time_and_is_noted() -> None:
    rule = _rule(
        cron="30 9 29 3 *", timezone="Europe/Berlin", calendars=(WEEKENDS,), roll=Roll.PREVIOUS
    )  # a Sunday, on which summer time begins
    assert next(upcoming(rule, START)) == Nominal(datetime(2026, 3, 27, 8, 30, tzinfo=UTC), (Note.ROLLED,))


@pytest.mark.parametrize("roll", [Roll.NEXT, Roll.PREVIOUS])
def test_without_a_free_day_in_reach_an_occurrence_is_excluded_where_it_is(roll: Roll) -> None:
    items = list(islice(upcoming(_rule(calendars=(ALWAYS,), roll=roll), START), 3))
    assert [item.at for item in items] == [START + n * DAY + 9 * HOUR for n in range(3)]
    assert {item.skip for item in items} == {Skip.EXCLUDED}
    assert next_from(_rule(calendars=(ALWAYS,), roll=roll, ends_at=START + 90 * DAY), START) is None


def test_an_occurrence_that_would_roll_out_of_its_limits_is_excluded() -> None:
    sunday = START + 6 * DAY
    ending = _rule(calendars=(WEEKENDS,), roll=Roll.NEXT, ends_at=sunday + 12 * HOUR)
    assert _days(ending, 9, START + 4 * DAY) == ["Fri 06", "Sat 07-", "Sun 08-"]
    beginning = _rule(calendars=(WEEKENDS,), roll=Roll.PREVIOUS, starts_at=sunday)
    assert _days(beginning, 2) == ["Sun 08-", "Mon 09"]


def test_a_rule_of_every_second_rolls_over_a_weekend_without_being_enumerated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from schedules_app.recurrence import timeline

    drawn = []

    def counted(rule: Rule, moment: datetime) -> Any:
        return (drawn.append(item) or item for item in source(rule, moment))

    monkeypatch.setattr(timeline, "source", counted)
    rule = _rule(seconds=1, calendars=(WEEKENDS,), roll=Roll.NEXT)
    monday_noon = START + 7 * DAY + 12 * HOUR
    found = list(islice(upcoming(rule, monday_noon), 3))
    assert [item.at for item in found] == [monday_noon + timedelta(seconds=n) for n in range(3)]
    assert all(Note.ROLLED in item.notes for item in found)
    assert len(drawn) < 100


def test_a_moved_occurrence_comes_at_its_new_time_only() -> None:
    old, new = START + 2 * DAY + 9 * HOUR, START + HOUR
    items = list(islice(upcoming(_rule(overrides=((old, new),)), START), 4))
    assert items[0] == Nominal(new, (Note.MOVED,))
    assert [item.at.day for item in items[1:]] == [2, 3, 5]
    assert next(upcoming(_rule(overrides=((old, new),)), START + 2 * DAY)).at == old + DAY


def test_a_skipped_occurrence_stays_in_sight() -> None:
    at = START + 9 * HOUR
    assert next(upcoming(_rule(overrides=((at, None),)), START)) == Nominal(
        at, (Note.SKIPPED,), Skip.REQUESTED
    )


def test_an_override_of_no_occurrence_means_nothing() -> None:
    assert _days(_rule(overrides=((START, START + HOUR), (START + HOUR, None))), 1) == ["Mon 02"]


def test_what_falls_together_is_one() -> None:
    first, second = START + 9 * HOUR, START + 33 * HOUR
    items = list(islice(upcoming(_rule(overrides=((first, second),)), START), 2))
    assert items[0] == Nominal(second, (Note.MOVED,))
    assert items[1].at == second + DAY


ZONED = (*CHANGES, ("Europe/Berlin", datetime(2026, 6, 1, tzinfo=UTC)))
hours_of_day = st.sampled_from(["0 0", "30 2", "*/30 1-3", "15,45 0,2,23", "0 9"])
offsets = st.integers(-12, 12)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Rule, datetime]:
    zone, when = draw(st.sampled_from(ZONED))
    start = when - draw(st.integers(0, 5)) * DAY - draw(st.integers(0, 23)) * HOUR
    day = when.date()
    dates = tuple(sorted({str(day + n * DAY) for n in draw(st.sets(offsets, max_size=10))}))
    kind: dict[str, Any] = draw(
        st.one_of(
            hours_of_day.map(lambda text: {"cron": f"{text} * * *"}),
            st.just({"days": 1}),
            st.just({"hours": 5}),
            st.just({"rrule": "FREQ=DAILY;BYHOUR=0,2,23;BYMINUTE=30;BYSECOND=0"}),
        )
    )
    rule = Rule(
        starts_at=start,
        timezone=zone,
        ends_at=draw(st.one_of(st.none(), st.just(start + 9 * DAY))),
        gap=draw(st.sampled_from(Gap)),
        roll=draw(st.sampled_from(Roll)),
        calendars=(Calendar("c", dates=dates),),
        excluded=tuple(str(day + n * DAY) for n in draw(st.lists(offsets, max_size=2))),
        **kind,
    )
    return rule, start + draw(st.integers(-5, 15 * 24)) * HOUR


def _resolved(wall: datetime, rule: Rule) -> tuple[datetime, bool]:
    """The instant of a wall-clock time and whether it fires, by looking for the minute that shows it."""
    zone = ZoneInfo(rule.timezone)
    early = wall.replace(tzinfo=zone).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early, True
    if rule.cron is None:
        return early, rule.gap is not Gap.SKIP
    while (earlier := early - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) >= wall:
        early = earlier
    return early, rule.gap is not Gap.SKIP


def _rolled_one_by_one(rule: Rule, end: datetime) -> list[tuple[datetime, bool]]:
    zone = ZoneInfo(rule.timezone)
    last = min(end, rule.ends_at or end)
    off = {date.fromisoformat(text) for text in rule.calendars[0].dates}
    out = {date.fromisoformat(text) for text in rule.excluded}
    found: dict[datetime, bool] = {}
    for item in takewhile(lambda item: item.at <= last, source(rule, rule.starts_at)):
        at, fires, day = item.at, item.skip is None, item.at.astimezone(zone).date()
        if fires and day in out:
            fires = False
        elif fires and day in off:
            at, fires = _moved(rule, at, day, off)
            fires = fires and at.astimezone(zone).date() not in out
        found[at] = found.get(at, False) or fires
    return sorted(found.items())


def _moved(rule: Rule, at: datetime, day: date, off: set[date]) -> tuple[datetime, bool]:
    if rule.roll is Roll.SKIP:
        return at, False
    target = day
    while target in off:
        target += DAY if rule.roll is Roll.NEXT else -DAY
    wall = at.astimezone(ZoneInfo(rule.timezone)).replace(tzinfo=None) + (target - day)
    rolled, fires = _resolved(wall, rule)
    is_inside = rolled >= rule.starts_at and (rule.ends_at is None or rolled <= rule.ends_at)
    return (rolled, fires) if is_inside else (at, False)


def test_a_gap_at_midnight_of_a_day_that_is_off_keeps_its_verdict() -> None:
    start = datetime(2018, 11, 4, 3, tzinfo=UTC)
    off = Calendar("c", ("2018-11-04",))
    options = {"gap": Gap.SKIP, "calendars": (off,), "roll": Roll.NEXT}
    rule = Rule(starts_at=start, timezone="America/Sao_Paulo", cron="0 0 * * *", **options)
    assert next(upcoming(rule, start)) == Nominal(start, (Note.GAP,), Skip.DST_GAP)


@settings(max_examples=400, deadline=None)
@given(cases())
def test_rolls_are_as_going_through_all_occurrences_gives(case: tuple[Rule, datetime]) -> None:
    rule, moment = case
    end = rule.starts_at + 25 * DAY
    expected = _rolled_one_by_one(rule, end + 20 * DAY)
    found = list(takewhile(lambda item: item.at <= end, upcoming(rule, moment)))
    assert [(item.at, item.skip is None) for item in found] == [
        pair for pair in expected if moment <= pair[0] <= end
    ]
    assert all(earlier.at < later.at for earlier, later in pairwise(found))


@settings(max_examples=200, deadline=None)
@given(
    cases(), st.lists(st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(-300, 300))), max_size=4)
)
def test_overrides_are_as_a_list_edited_by_hand(
    case: tuple[Rule, datetime], edits: list[tuple[int, int | None]]
) -> None:
    rule, moment = case
    plain = list(islice(upcoming(rule, rule.starts_at), 60))
    pairs = {}
    for number, hours in edits:
        if number < len(plain):
            at = plain[number].at
            pairs[at] = None if hours is None else at + hours * HOUR
    columns = {name: getattr(rule, name) for name in Rule.__dataclass_fields__}
    edited = Rule(**{**columns, "overrides": tuple(pairs.items())})
    found: dict[datetime, bool] = {}
    for item in plain:
        new = pairs.get(item.at, item.at) or item.at
        fires = (item.skip is None and item.at not in pairs) or pairs.get(item.at) is not None
        found[new] = found.get(new, False) or fires
    horizon = plain[-1].at if len(plain) == 60 else rule.starts_at + 60 * DAY
    expected = [pair for pair in sorted(found.items()) if moment <= pair[0] < horizon]
    listed = takewhile(lambda item: item.at < horizon, upcoming(edited, moment))
    assert [(item.at, item.skip is None) for item in listed] == expected


def test_a_doubled_hour_rolls_to_single_times_in_order() -> None:
    rule = _rule(
        cron="*/30 1-3 * * *",
        timezone="Europe/Berlin",
        calendars=(Calendar("change", dates=("2026-10-25",)),),
        roll=Roll.NEXT,
    )
    items = list(islice(upcoming(rule, datetime(2026, 10, 25, tzinfo=UTC)), 7))
    monday = datetime(2026, 10, 26, tzinfo=UTC)
    assert [item.at for item in items[:6]] == [monday + n * HOUR / 2 for n in range(6)]
    assert items[6].at == monday + DAY


def test_a_roll_to_a_day_that_a_zone_left_out_falls_together_with_the_next() -> None:
    rule = Rule(
        starts_at=datetime(2011, 12, 20, tzinfo=UTC),
        timezone="Pacific/Apia",
        rrule="FREQ=DAILY;BYHOUR=0,2,23;BYMINUTE=30;BYSECOND=0",
        calendars=(Calendar("eve", dates=("2011-12-29",)),),
        roll=Roll.NEXT,
    )
    zone = ZoneInfo("Pacific/Apia")
    items = list(islice(upcoming(rule, datetime(2011, 12, 29, 10, tzinfo=UTC)), 4))
    assert [f"{item.at.astimezone(zone):%d %H:%M}" for item in items] == [
        "31 00:30",
        "31 02:30",
        "31 23:30",
        "01 00:30",
    ]
