"""The short way from one occurrence to the next, against `upcoming` and the plans that are right in every case."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schedules_app.recurrence import (
    LATEST,
    Fold,
    Gap,
    InvalidRecurrence,
    Policy,
    Rule,
    following,
    plan_fires,
    upcoming,
)
from tests.unit.recurrence_models import CHANGES
from tests.unit.test_recurrence_properties import ZONES

CRONS = (
    "0 9 * * MON-FRI",
    "*/15 8-18 * * *",
    "30 2 * * *",
    "0 */2 * * *",
    "0 0 * * *",
    "15 1-3 * * SUN",
    "0 0 L * *",
    "0 0 29 2 *",
    "59 23 1 1 *",
    "0 12 * * 1#2",
)
RRULES = (
    "FREQ=DAILY",
    "FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0",
    "FREQ=WEEKLY;BYDAY=MO,WE,SU",
    "FREQ=WEEKLY",
    "FREQ=WEEKLY;INTERVAL=2",
    "FREQ=MONTHLY;BYDAY=1MO",
    "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1",
    "FREQ=MONTHLY",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=YEARLY",
    "FREQ=YEARLY;BYMONTH=3,10",
    "FREQ=YEARLY;BYWEEKNO=1,53",
    "FREQ=WEEKLY;BYWEEKNO=1;BYDAY=TU",
    "FREQ=HOURLY",
    "FREQ=HOURLY;INTERVAL=5",
    "FREQ=MINUTELY;BYHOUR=1,2",
    "FREQ=DAILY;COUNT=3",
    "FREQ=DAILY;UNTIL=21000101T000000",
    "FREQ=DAILY;UNTIL=21000101T000000Z",
    "RRULE:FREQ=DAILY\nEXDATE:20260330T090000",
)
units = st.one_of(st.none(), st.integers(1, 400))
# Most near a change of clocks, which is where a short way could go wrong.
near = st.sampled_from(CHANGES).flatmap(
    lambda change: st.integers(-9 * 1440, 9 * 1440).map(
        lambda minutes: (change[0], change[1] + timedelta(minutes=minutes))
    )
)
anywhere = st.tuples(
    st.sampled_from(ZONES),
    st.datetimes(datetime(1900, 1, 1), datetime(2110, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
kinds = st.one_of(
    st.fixed_dictionaries({"days": units, "hours": units, "minutes": units, "seconds": units}),
    st.fixed_dictionaries({"days": st.integers(1, 10)}),
    st.fixed_dictionaries({"cron": st.sampled_from(CRONS)}),
    st.fixed_dictionaries({"rrule": st.sampled_from(RRULES)}),
)


def _following(rule: Rule, at: datetime) -> datetime | None:
    return following(
        at,
        rule.starts_at,
        rule.timezone,
        rule.days,
        rule.hours,
        rule.minutes,
        rule.seconds,
        rule.cron,
        rule.rrule,
        rule.gap,
        rule.fold,
    )


@given(
    st.one_of(near, anywhere),
    kinds,
    st.integers(0, 3 * 86_400),
    st.sampled_from(Gap),
    st.sampled_from(Fold),
    st.integers(0, 12),
)
@example(
    ("Europe/Berlin", datetime(2026, 3, 28, 1, 30, tzinfo=UTC)), {"days": 1}, 0, Gap.SHIFT, Fold.FIRST, 0
)
@example(("Pacific/Apia", datetime(2011, 12, 28, 10, tzinfo=UTC)), {"days": 1}, 0, Gap.SHIFT, Fold.FIRST, 1)
def test_whatever_the_short_way_says_is_what_the_plan_says(
    where: tuple[str, datetime], kind: dict[str, Any], age: int, gap: Gap, fold: Fold, number: int
) -> None:
    assume(any(kind.values()))
    zone, moment = where
    try:
        rule = Rule(starts_at=moment - timedelta(seconds=age), timezone=zone, gap=gap, fold=fold, **kind)
        items = list(islice(upcoming(rule, moment), number, number + 2))
    except InvalidRecurrence:
        return
    assume(len(items) == 2)
    first, second = items
    found = _following(rule, first.at)
    if found is None:
        return
    assert (first.skip, second.skip, second.at) == (None, None, found)
    plan = plan_fires(rule, first.at, first.at, Policy())
    assert ([item.at for item in plan.fires], plan.skipped, plan.next_at) == ([first.at], (), found)


NINE = datetime(2026, 6, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "kind",
    [
        {"days": 1, "timezone": "Europe/Berlin"},
        {"hours": 6},
        {"minutes": 90, "timezone": "Europe/Berlin"},
        {"cron": "0 11 * * MON-FRI", "timezone": "Europe/Berlin"},
        {"rrule": "FREQ=WEEKLY;BYDAY=MO,TU", "timezone": "America/New_York"},
        {"rrule": "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=9;BYMINUTE=0;BYSECOND=0"},
    ],
)
def test_the_short_way_is_taken_for_the_common_kinds(kind: dict[str, Any]) -> None:
    rule = Rule(starts_at=NINE, **kind)
    assert _following(rule, NINE) == plan_fires(rule, NINE, NINE, Policy()).next_at


@pytest.mark.parametrize(
    "kind",
    [
        {"days": 1, "timezone": "Mars/Olympus"},
        {"hours": 6, "timezone": "Mars/Olympus"},
        {"days": 1, "cron": "0 9 * * *"},
        {"cron": "0 9 * * *", "rrule": "FREQ=DAILY"},
        {},
        {"hours": 2**31 - 1},
        {"days": 2**31 - 1},
    ],
)
def test_the_short_way_is_not_taken_for_what_is_no_rule(kind: dict[str, Any]) -> None:
    columns = {"timezone": "UTC", **kind}
    with pytest.raises(InvalidRecurrence):
        Rule(starts_at=NINE, **columns)
    names = ("timezone", "days", "hours", "minutes", "seconds", "cron", "rrule")
    values: list[Any] = [columns.get(name) for name in names]
    assert following(NINE, NINE, *values, "shift", "first") is None


def test_a_time_that_is_no_occurrence_has_none_that_follows() -> None:
    for kind in ({"days": 1}, {"hours": 6}, {"cron": "0 9 * * *"}, {"rrule": "FREQ=DAILY"}):
        rule = Rule(starts_at=NINE, **kind)  # type: ignore[arg-type]
        assert _following(rule, NINE + timedelta(minutes=1)) is None
        assert _following(rule, NINE - timedelta(days=1)) is None


def test_nothing_follows_at_the_end_of_the_calendar() -> None:
    for kind in ({"days": 400}, {"cron": "0 0 1 1 *"}, {"rrule": "FREQ=YEARLY"}):
        at = LATEST.replace(month=1, day=1)
        assert _following(Rule(starts_at=at, **kind), at) is None  # type: ignore[arg-type]
