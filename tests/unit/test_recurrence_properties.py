"""`schedules_app.recurrence` against brute force that walks from the start, over random rules and zones."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schedules_app.recurrence import (
    EARLIEST,
    LATEST,
    CatchUp,
    InvalidRecurrence,
    Plan,
    Policy,
    Rule,
    known_zones,
    next_after,
    next_from,
    plan_fires,
)

# Both hemispheres, half-hour and whole-day shifts, offsets with seconds, rules that changed, no rules at all.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/Lisbon",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Caracas",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Manila",
    "America/Juneau",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Pacific/Kiritimati",
    "Antarctica/Troll",
)
YEARS = st.datetimes(datetime(1840, 1, 1), datetime(2110, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
units = st.one_of(st.none(), st.integers(1, 50))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    columns: dict[str, Any] = {"days": draw(units), "hours": draw(units), "minutes": draw(units)}
    assume(any(columns.values()))
    return Rule(starts_at=draw(YEARS), timezone=draw(st.sampled_from(ZONES)), **columns)


def _plus_days(wall: datetime, days: int, zone: ZoneInfo) -> datetime:
    """Independent of the code under test: the offset that held just before the wall-clock time came."""
    later = wall + timedelta(days=days)
    candidates = {
        moment
        for hours in range(-26, 27)
        if (offset := (later + timedelta(hours=hours)).replace(tzinfo=UTC).astimezone(zone).utcoffset())
        is not None
        if (moment := (later - offset).replace(tzinfo=UTC))
        and moment.astimezone(zone).replace(tzinfo=None) == later
    }
    if candidates:
        return min(candidates)
    # In a gap: the offset in force before it is that of a moment which shows an earlier wall-clock time.
    before = later.replace(tzinfo=UTC) - timedelta(hours=26)
    while (following := before + timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None) <= later:
        before = following
    offset = before.astimezone(zone).utcoffset()
    assert offset is not None
    return (later - offset).replace(tzinfo=UTC)


def _brute(rule: Rule, count: int) -> list[datetime]:
    zone = ZoneInfo(rule.timezone)
    wall = rule.starts_at.astimezone(zone).replace(tzinfo=None)
    elapsed = timedelta(hours=rule.hours or 0, minutes=rule.minutes or 0)
    days = rule.days or 0
    times = [
        (_plus_days(wall, number * days, zone) if days and number else rule.starts_at) + number * elapsed
        for number in range(count)
    ]
    return sorted(set(times))


@settings(max_examples=150, deadline=None)
@given(rules())
def test_walking_a_rule_gives_what_brute_force_gives(rule: Rule) -> None:
    expected = _brute(rule, 12)
    walked = [rule.starts_at]
    for _ in expected[1:]:
        following = next_after(rule, walked[-1])
        assert following is not None
        walked.append(following)
    assert walked == expected


@settings(max_examples=300, deadline=None)
@given(rules(), YEARS)
def test_the_next_occurrence_is_the_only_one_in_its_interval(rule: Rule, after: datetime) -> None:
    following = next_after(rule, after)
    assert following is not None
    assert following > after
    assert next_from(rule, following) == following
    assert next_from(rule, after) in {after, following}
    between = next_from(rule, after + (following - after) / 2 + timedelta.resolution)
    assert between is not None
    assert between >= following


@settings(max_examples=200, deadline=None)
@given(rules(), st.integers(0, 40_000))
def test_occurrences_far_from_the_start_have_not_drifted(rule: Rule, days: int) -> None:
    time = next_from(rule, rule.starts_at + timedelta(days=days))
    assert time is not None
    step = timedelta(days=rule.days or 0, hours=rule.hours or 0, minutes=rule.minutes or 0)
    steps, drift = divmod(time - rule.starts_at + timedelta(hours=26), step)
    assert steps >= 0
    assert not rule.days or drift <= timedelta(hours=52) or step < timedelta(hours=52)
    assert rule.days or (time - rule.starts_at) % step == timedelta(0)


policies = st.builds(
    Policy,
    catch_up=st.sampled_from(CatchUp),
    window_seconds=st.sampled_from([0, 3600, 86_400, 1e9]),
    late_after_seconds=st.sampled_from([0, 60, 7200]),
    cap=st.integers(1, 5),
    ledger_rows=st.integers(1, 4),
)


@settings(max_examples=300, deadline=None)
@given(
    rules(), st.integers(0, 5), st.timedeltas(timedelta(0), timedelta(days=90)), policies, st.integers(1, 5)
)
def test_a_plan_is_what_going_through_the_occurrences_one_by_one_gives(
    rule: Rule, begin: int, outage: timedelta, policy: Policy, remaining: int
) -> None:
    first: datetime | None = rule.starts_at
    for _ in range(begin):
        first = next_after(rule, first) if first else None
    assert first is not None
    now = first + outage
    due, following = [], first
    while following <= now:
        due.append(following)
        following = next_after(rule, following) or LATEST
        assume(len(due) < 500)
    fires = _fires_one_by_one(due, now, policy)
    plan = plan_fires(rule, first, now, policy, remaining=remaining)
    assert tuple(item.at for item in plan.fires) == tuple(fires[:remaining])
    assert plan.next_at == (None if len(fires) >= remaining else following)
    _assert_accounted_for(plan, [time for time in due if time not in fires], policy)


def _fires_one_by_one(due: list[datetime], now: datetime, policy: Policy) -> list[datetime]:
    def age(time: datetime) -> float:
        return (now - time).total_seconds()

    on_time = [time for time in due if age(time) <= policy.late_after_seconds]
    caught = [time for time in due if time not in on_time and age(time) <= policy.window_seconds]
    if policy.catch_up is CatchUp.SKIP or (policy.catch_up is CatchUp.LATEST and on_time):
        caught = []
    elif policy.catch_up is CatchUp.LATEST:
        caught = caught[-1:] if caught and caught[-1] == due[-1] else []
    return [*caught, *on_time][-policy.cap :]


def _assert_accounted_for(plan: Plan, skipped: list[datetime], policy: Policy) -> None:
    assert len(plan.skipped) <= policy.ledger_rows
    if skipped:
        assert plan.skipped[0].first == skipped[0]
        assert plan.skipped[-1].last == skipped[-1]
        # A day that a zone left out makes two steps fall together; a run counts both.
        assert len(skipped) <= sum(run.count for run in plan.skipped) <= len(skipped) + 2
    else:
        assert plan.skipped == ()
    assert all(run.last < later.first for run, later in pairwise(plan.skipped))


instants = st.datetimes(timezones=st.sampled_from([UTC, *map(ZoneInfo, ZONES)]))


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "starts_at": st.one_of(instants, st.datetimes()),
            "ends_at": st.one_of(st.none(), instants),
            "timezone": st.one_of(st.sampled_from(sorted(known_zones())), st.text(max_size=30)),
            "days": st.one_of(st.none(), st.integers()),
            "hours": st.one_of(st.none(), st.integers()),
            "seconds": st.one_of(st.none(), st.integers()),
        }
    ),
    instants,
    instants,
)
def test_no_input_raises_anything_but_invalid_recurrence(
    columns: dict[str, Any], first: datetime, now: datetime
) -> None:
    with suppress(InvalidRecurrence):
        rule = Rule(**columns)
        next_after(rule, now)
        next_from(rule, first)
        plan_fires(rule, first, now, Policy(window_seconds=1e18))


@settings(max_examples=200, deadline=None)
@given(
    rules(),
    st.sampled_from([EARLIEST, LATEST, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]),
)
def test_the_ends_of_the_calendar_are_no_trap(rule: Rule, moment: datetime) -> None:
    following = next_after(rule, moment)
    assert following is None or following > moment
    assert plan_fires(rule, rule.starts_at, moment, Policy()).next_at in {following, rule.starts_at, None}
