"""Cron rules: fixed cases, the errors, croniter as a second opinion, and brute force over the minutes of changes."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from schedules_app.recurrence import (
    Fold,
    Gap,
    InvalidRecurrence,
    Nominal,
    Note,
    Rule,
    Skip,
    cron,
    next_from,
    upcoming,
)
from tests.unit.recurrence_models import (
    CHANGES,
    MINUTE,
    CronModel,
    Minutes,
    chosen,
    clock_at,
    falling_together,
    walls_between,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _rule(text: str, **columns: Any) -> Rule:
    return Rule(**{"starts_at": START, "cron": text, **columns})


def _some(rule: Rule, moment: datetime, count: int = 3) -> list[Nominal]:
    return list(islice(upcoming(rule, moment), count))


def _shown(text: str, moment: datetime, count: int = 3, **columns: Any) -> list[str]:
    rule = _rule(text, timezone="Europe/Berlin", **columns)
    found = [item for item in _some(rule, moment, count) if not item.skip]
    return [f"{item.at.astimezone(ZoneInfo('Europe/Berlin')):%d %H:%M%z}" for item in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@yearly", "2027-01-01 00:00"),
        ("@annually", "2027-01-01 00:00"),
        ("@monthly", "2026-06-01 00:00"),
        ("@weekly", "2026-05-10 00:00"),
        ("@daily", "2026-05-08 00:00"),
        ("@midnight", "2026-05-08 00:00"),
        ("@HOURLY", "2026-05-07 11:00"),
        ("30 9 * * mon-fri", "2026-05-08 09:30"),
        ("0 0 L * *", "2026-05-31 00:00"),
        ("0 0 LW * *", "2026-05-29 00:00"),
        ("0 9 * * 5L", "2026-05-29 09:00"),
        ("0 9 * * TUE#3", "2026-05-19 09:00"),
        ("0 0 * * 7", "2026-05-10 00:00"),
        ("0 0 13 * FRI", "2026-05-08 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("5-10,58/1 10 * * *", "2026-05-07 10:58"),
        ("5-5/2 10 * * *", "2026-05-08 10:05"),
        ("  0\t12  *  * * ", "2026-05-07 12:00"),
    ],
)
def test_an_expression_comes_when_its_manual_says(text: str, expected: str) -> None:
    following = next_from(_rule(text), datetime(2026, 5, 7, 10, 30, tzinfo=UTC))
    assert following is not None
    assert f"{following:%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "0 field(s)"),
        ("* * * *", "4 field(s)"),
        ("0 0 9 * * *", "every_x_seconds"),
        ("0 0 0 9 * * *", "7 field(s)"),
        ("60 * * * *", "minute field '60'"),
        ("* 24 * * *", "hour field"),
        ("* * 32 * *", "day-of-month field"),
        ("* * 0 * *", "day-of-month field"),
        ("* * * 13 *", "month field"),
        ("* * * * 8", "day-of-week field"),
        ("* * * * FOO", "day-of-week field"),
        ("* * * * MON#6", "day-of-week field"),
        ("*/0 * * * *", "minute field"),
        ("5-1 * * * *", "minute field"),
        ("1,,2 * * * *", "minute field"),
        ("-1 * * * *", "minute field"),
        ("* * L/2 * *", "day-of-month field"),
        ("* * ? * *", "day-of-month field"),
        ("0 0 30 2 *", "never comes: day 30 is in no month of 2; change"),
        ("0 0 31 4,6 *", "never comes"),
        ("0 0 */20 2 1#5", "never comes"),
        ("@reboot", "@daily"),
        ("²  * * * *", "minute field"),
        ("9" * 5000 + " * * * *", "200 characters"),
        ("\0 * * * *", "minute field"),
        (7, "a text"),
    ],
)
def test_a_bad_expression_is_refused_and_told_where(text: Any, part: str) -> None:
    with pytest.raises(InvalidRecurrence) as refusal:
        _rule(text)
    assert refusal.value.field == "cron"
    assert part in refusal.value.message


def test_fixed_times_in_a_gap_move_to_its_end() -> None:
    assert _shown("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), 1) == ["29 03:00+0200"]


def test_fixed_times_in_a_gap_are_skipped_on_request() -> None:
    rule = _rule("30 2 * * *", timezone="Europe/Berlin", gap=Gap.SKIP)
    first = _some(rule, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)
    assert first == [Nominal(datetime(2026, 3, 29, 1, tzinfo=UTC), (Note.GAP,), Skip.DST_GAP)]


def test_several_fixed_times_in_one_gap_fire_once() -> None:
    moment = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert _shown("0,20,40 2,3 * * *", moment) == ["29 03:00+0200", "29 03:20+0200", "29 03:40+0200"]


@pytest.mark.parametrize(
    ("fold", "expected"),
    [
        (Fold.FIRST, ["25 02:30+0200", "26 02:30+0100"]),
        (Fold.SECOND, ["25 02:30+0100", "26 02:30+0100"]),
        (Fold.BOTH, ["25 02:30+0200", "25 02:30+0100"]),
    ],
)
def test_fixed_times_in_a_fold_follow_the_rule(fold: Fold, expected: list[str]) -> None:
    assert _shown("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), 2, fold=fold) == expected


@pytest.mark.parametrize("text", ["*/30 * * * *", "*/30 1-4 * * *", "0,30 */1 * * *"])
@pytest.mark.parametrize("columns", [{}, {"gap": Gap.SKIP, "fold": Fold.SECOND}])
def test_a_wildcard_keeps_its_cadence_through_gap_and_fold(text: str, columns: dict[str, Any]) -> None:
    for moment in (datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, tzinfo=UTC)):
        items = _some(_rule(text, timezone="Europe/Berlin", **columns), moment, 4)
        assert [item.at - moment for item in items] == [n * timedelta(minutes=30) for n in range(4)]
        assert all(item.skip is None for item in items)


def test_the_start_bounds_an_expression_and_need_not_be_an_occurrence() -> None:
    start = datetime(2026, 1, 1, 9, 0, 0, 1, tzinfo=UTC)
    assert _some(_rule("0 9 * * *", starts_at=start), START - DAY, 1)[0].at == START + DAY + 9 * 60 * MINUTE


def test_an_old_expression_costs_no_more_than_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    plain = cron.in_order

    def counted(walls: Any, *options: Any, **named: Any) -> Any:
        return plain((looked_at.append(wall) or wall for wall in walls), *options, **named)

    monkeypatch.setattr(cron, "in_order", counted)
    rule = _rule("* * * * *", starts_at=datetime(1900, 1, 1, tzinfo=UTC), timezone="Europe/Berlin")
    assert next_from(rule, datetime(2026, 6, 1, tzinfo=UTC)) == datetime(2026, 6, 1, tzinfo=UTC)
    assert len(looked_at) <= 2


def test_an_expression_ends_with_the_calendar() -> None:
    late = datetime(9999, 12, 28, tzinfo=UTC)
    assert len(list(upcoming(_rule("0 0 * * *"), late))) == 2
    assert list(upcoming(_rule("0 0 29 2 *", timezone="Pacific/Kiritimati"), late)) == []


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # croniter takes 0-0 as a weekday for every day.
    ends = st.tuples(number, number).filter(lambda pair: pair[0] < pair[1])
    span = ends.map(lambda pair: f"{pair[0]}-{pair[1]}")
    step = st.integers(1, high - low)
    term = st.one_of(
        number.map(str),
        span,
        st.tuples(span, step).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        step.map(lambda each: f"*/{each}"),
    )
    return st.one_of(st.just("*"), number.map(str), st.lists(term, min_size=1, max_size=3).map(",".join))


days = st.one_of(st.just("*"), st.just("*"), _field(1, 31), st.just("L"))
weekdays = st.one_of(
    st.just("*"),
    st.just("*"),
    _field(0, 6),
    st.tuples(st.integers(0, 6), st.integers(1, 4)).map("%d#%d".__mod__),
)
expressions = st.tuples(
    _field(0, 59), _field(0, 23), days, st.one_of(st.just("*"), _field(1, 12)), weekdays
).map(list)


def _parsed(fields: list[str], **columns: Any) -> Rule:
    try:
        return _rule(" ".join(fields), **columns)
    except InvalidRecurrence as refusal:
        assume("never comes" not in refusal.message)
        raise


@settings(max_examples=1500, deadline=None)
@given(expressions, st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
@example(["0", "0", "1,*/2", "*", "0,*/1"], datetime(2026, 1, 1, tzinfo=UTC))
def test_croniter_finds_the_same_times(fields: list[str], moment: datetime) -> None:
    if "#" in fields[4]:
        fields[2] = "*"  # croniter would want both to match
    rule = _parsed(fields)
    # croniter joins the two day fields by OR unless told otherwise; cron by whether one starts with a star.
    is_and = fields[2].startswith("*") or fields[4].startswith("*")
    # Where one of them has all days, a star anywhere in the other ends croniter's OR.
    day, weekday = fields[2].replace(",*/", ",1-31/"), fields[4].replace(",*/", ",0-6/")
    theirs = [*fields[:2], day, fields[3], weekday]
    other = croniter(
        " ".join(theirs), moment, implement_cron_bug=False, day_or=not is_and, max_years_between_matches=100
    )
    for item in takewhile(
        lambda item: item.at < moment + 3000 * DAY, _some(rule, moment + timedelta.resolution, 4)
    ):
        assert item.at == other.get_next(datetime)


@settings(max_examples=200, deadline=None)
@given(
    expressions,
    st.sampled_from(CHANGES),
    st.sampled_from(Gap),
    st.sampled_from(Fold),
    st.integers(0, 60 * 24),
)
def test_each_minute_around_a_change_is_as_brute_force_says(
    fields: list[str], change: tuple[str, datetime], gap: Gap, fold: Fold, begin: int
) -> None:
    zone_name, when = change
    fields[3] = "*"
    rule = _parsed(fields, timezone=zone_name, starts_at=when - 400 * DAY, gap=gap, fold=fold)
    middle = when - 720 * MINUTE + begin * MINUTE
    expected = _brute(fields, change, gap, fold)
    expected = [pair for pair in expected if middle <= pair[0] < when + DAY]
    found = takewhile(lambda item: item.at < when + DAY, upcoming(rule, middle))
    assert [(item.at, item.skip is None) for item in found] == expected


@lru_cache
def _around(change: tuple[str, datetime]) -> Minutes:
    """Three days to either side; the local clock shows whole minutes."""
    zone = ZoneInfo(change[0])
    begin = change[1] - 3 * DAY
    begin -= timedelta(seconds=clock_at(begin, zone).second)
    return Minutes(zone, begin, change[1] + 3 * DAY)


def _brute(
    fields: list[str], change: tuple[str, datetime], gap: Gap, fold: Fold
) -> list[tuple[datetime, bool]]:
    around, model = _around(change), CronModel(fields)
    if model.is_wildcard:
        return [(at, True) for at, clock in around.all if model.matches(clock)]
    items = []
    for wall in walls_between(around.all[0][1], clock_at(change[1] + 3 * DAY, ZoneInfo(change[0]))):
        if model.matches(wall):
            readings, kind = around.read(wall, to_edge=True)
            fires = not (kind == "gap" and gap is Gap.SKIP)
            items += [(at, fires) for at in chosen(readings, kind, fold)]
    return falling_together(items)


@settings(max_examples=300, deadline=None)
@given(
    expressions,
    st.sampled_from(CHANGES),
    st.sampled_from(Gap),
    st.sampled_from(Fold),
    st.integers(0, 4 * 24 * 3600),
)
def test_starting_in_the_middle_gives_the_same_as_starting_before(
    fields: list[str], change: tuple[str, datetime], gap: Gap, fold: Fold, seconds: int
) -> None:
    rule = _parsed(fields, timezone=change[0], starts_at=change[1] - 500 * DAY, gap=gap, fold=fold)
    begin = change[1] - 2 * DAY
    moment = begin + timedelta(seconds=seconds)
    walked = list(takewhile(lambda item: item.at < change[1] + 2 * DAY, upcoming(rule, begin)))
    entered = list(takewhile(lambda item: item.at < change[1] + 2 * DAY, upcoming(rule, moment)))
    assert entered == [item for item in walked if item.at >= moment]
    assert all(earlier.at < later.at for earlier, later in pairwise(walked))
