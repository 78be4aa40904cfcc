"""Plans of rules that must be gone through one by one, with reasons; and the closed form against that way."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schedules_app.recurrence import (
    MISSED,
    Calendar,
    CatchUp,
    Fold,
    Gap,
    Nominal,
    Plan,
    Policy,
    Roll,
    Rule,
    Skip,
    Skipped,
    jitter,
    next_after,
    next_from,
    plan_fires,
    planning,
    upcoming,
)
from tests.unit.test_recurrence_properties import policies, rules

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
WEEKENDS = Calendar("weekends", rrules=("FREQ=WEEKLY;BYDAY=SA,SU",))


def _rule(**columns: Any) -> Rule:
    return Rule(**{"starts_at": START, **({} if "seconds" in columns else {"cron": "0 * * * *"}), **columns})


def _hours(plan: Plan) -> list[float]:
    return [(item.at - START) / HOUR for item in plan.fires]


def test_each_reason_has_its_rows() -> None:
    rule = _rule(excluded=("2026-03-02T02:00:00Z",), overrides=((START + 3 * HOUR, None),))
    plan = plan_fires(rule, START, START + 4.5 * HOUR, Policy())
    assert [(run.first.hour, run.reason) for run in plan.skipped] == [
        (0, MISSED),
        (1, MISSED),
        (2, "excluded"),
        (3, "requested"),
    ]
    assert (_hours(plan), plan.next_at) == ([4], START + 5 * HOUR)


def test_what_the_rule_skips_ahead_is_decided_at_once() -> None:
    rule = _rule(cron="0 9 * * *", calendars=(WEEKENDS,))
    friday = START + 4 * DAY + 9 * HOUR
    plan = plan_fires(rule, friday, friday, Policy())
    assert [item.at for item in plan.fires] == [friday]
    assert plan.skipped == tuple(Skipped(friday + n * DAY, friday + n * DAY, 1, "excluded") for n in (1, 2))
    assert plan.next_at == friday + 3 * DAY


def test_a_gap_that_is_left_out_is_told() -> None:
    rule = _rule(
        cron="30 2 * * *", timezone="Europe/Berlin", gap=Gap.SKIP, starts_at=datetime(2026, 3, 28, tzinfo=UTC)
    )
    plan = plan_fires(rule, rule.starts_at, rule.starts_at + 2 * HOUR, Policy())
    gap = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert plan.skipped == (Skipped(gap, gap, 1, Skip.DST_GAP),)
    assert plan.next_at == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_occurrences_of_the_coming_seconds_are_laid_down_ahead() -> None:
    for rule in (_rule(seconds=1), _rule(seconds=1, excluded=("2027-01-01",))):
        plan = plan_fires(
            rule, START, START, Policy(catch_up=CatchUp.SKIP, late_after_seconds=0), until=START + 3 * SECOND
        )
        assert [item.at for item in plan.fires] == [START + n * SECOND for n in range(4)]
        assert (plan.skipped, plan.next_at) == ((), START + 4 * SECOND)


def test_an_horizon_before_now_is_now() -> None:
    plan = plan_fires(_rule(), START, START + HOUR, Policy(), until=START)
    assert plan.next_at == START + 2 * HOUR


def test_a_long_outage_is_planned_in_portions() -> None:
    rule = _rule(cron="* * * * *")
    plan = plan_fires(rule, START, START + 10 * DAY, Policy())
    assert plan.fires == ()
    assert sum(run.count for run in plan.skipped) == planning.MOST_ITEMS
    assert plan.next_at == START + planning.MOST_ITEMS * timedelta(minutes=1)
    fires, first, rounds = 0, plan.next_at, 1
    while first is not None and first <= START + 10 * DAY:
        plan, rounds = plan_fires(rule, first, START + 10 * DAY, Policy()), rounds + 1
        fires, first = fires + len(plan.fires), plan.next_at
    assert (fires, rounds) == (2, 3)  # on time are the minute itself and the one before


def test_a_portion_fires_what_lies_in_the_window() -> None:
    policy = Policy(catch_up=CatchUp.ALL, window_seconds=1e9, cap=7)
    plan = plan_fires(_rule(cron="* * * * *"), START, START + 10 * DAY, policy)
    assert [item.at for item in plan.fires][-1] == START + (planning.MOST_ITEMS - 1) * timedelta(minutes=1)
    assert len(plan.fires) == 7


def test_the_search_for_the_next_one_is_bounded() -> None:
    rule = _rule(seconds=1, calendars=(Calendar("always", rrules=("FREQ=DAILY",)),))
    plan = plan_fires(rule, START, START - SECOND, Policy())
    assert plan.next_at == START + planning.MOST_PASSED * SECOND
    assert plan.skipped[0].first == START
    assert sum(run.count for run in plan.skipped) == planning.MOST_PASSED
    assert len(plan.skipped) == Policy().ledger_rows


def test_the_next_one_is_found_behind_a_weekend_of_seconds() -> None:
    rule = _rule(seconds=1, calendars=(WEEKENDS,))
    assert next_from(rule, START + 5 * DAY) == START + 7 * DAY
    assert next_after(rule, START + 5 * DAY - SECOND) == START + 7 * DAY


def test_a_moved_one_is_found_within_days_that_are_passed_over() -> None:
    moved = START + 6 * DAY + HOUR
    rule = _rule(seconds=1, calendars=(WEEKENDS,), overrides=((START, moved),))
    assert next_from(rule, START + 5 * DAY) == moved


def test_rows_are_summed_up_by_reason_the_oldest_first() -> None:
    rule = _rule(excluded=("2026-03-02",))
    plan = plan_fires(rule, START, START + 40.5 * HOUR, Policy(ledger_rows=4))
    assert [(run.count, run.reason) for run in plan.skipped] == [
        (24, "excluded"),
        (14, MISSED),
        (1, MISSED),
        (1, MISSED),
    ]


def test_a_run_does_not_reach_over_one_that_fires() -> None:
    rule = _rule(cron="0 9,12 * * *", excluded=tuple(f"2026-03-0{day}T12:00:00Z" for day in range(2, 8)))
    policy = Policy(catch_up=CatchUp.ALL, window_seconds=1e9, ledger_rows=2)
    plan = plan_fires(rule, START, START + 5 * DAY, policy)
    assert [run.count for run in plan.skipped] == [1] * 5


def test_after_the_last_task_nothing_has_a_verdict() -> None:
    rule = _rule(cron="0 9 * * *", calendars=(WEEKENDS,))
    friday = START + 4 * DAY + 9 * HOUR
    assert plan_fires(rule, friday, friday, Policy(), remaining=1) == Plan((Nominal(friday),), (), None)


def test_jitter_is_the_same_at_each_call_and_spread_over_its_range() -> None:
    found = [jitter(b"key", START + n * HOUR, 60) for n in range(400)]
    assert found == [jitter(b"key", START + n * HOUR, 60) for n in range(400)]
    assert timedelta(0) <= min(found) < 3 * SECOND
    assert 57 * SECOND < max(found) <= 60 * SECOND
    assert len(set(found)) == 400
    assert jitter(b"other", START, 60) != jitter(b"key", START, 60)


def test_without_jitter_nothing_is_late() -> None:
    assert jitter(b"key", START, 0) == timedelta(0)


horizons = st.one_of(st.none(), st.timedeltas(timedelta(0), 3 * DAY))


@settings(max_examples=400, deadline=None)
@given(
    rules(),
    st.timedeltas(-DAY, 400 * DAY),
    st.timedeltas(timedelta(0), 60 * DAY),
    horizons,
    policies,
    st.data(),
)
def test_the_closed_form_is_what_going_one_by_one_gives(
    rule: Rule,
    begin: timedelta,
    outage: timedelta,
    ahead: timedelta | None,
    policy: Policy,
    data: st.DataObject,
) -> None:
    step = timedelta(days=rule.days or 0, hours=rule.hours or 0, minutes=rule.minutes or 0)
    outage = min(outage, 300 * step)
    first = next_from(rule, rule.starts_at + begin)
    assert first is not None
    now = first + outage
    until = None if ahead is None else now + min(ahead, 20 * step)
    remaining = data.draw(st.one_of(st.none(), st.integers(1, 5)))
    by_number = plan_fires(rule, first, now, policy, remaining=remaining, until=until)
    one_by_one = _without_closed_form(rule, first, now, policy, remaining=remaining, until=until)
    assert (by_number.fires, by_number.next_at) == (one_by_one.fires, one_by_one.next_at)
    ends = [[(run.first, run.last, run.reason) for run in plan.skipped] for plan in (by_number, one_by_one)]
    total = [sum(run.count for run in plan.skipped) for plan in (by_number, one_by_one)]
    if total[0] == total[1]:
        assert by_number.skipped == one_by_one.skipped
    else:  # a day that a zone left out is counted twice by numbers
        assert total[1] < total[0] <= total[1] + 2
        assert (ends[0][0][0], ends[0][-1][1]) == (ends[1][0][0], ends[1][-1][1])


def _without_closed_form(rule: Rule, *positional: Any, **named: Any) -> Plan:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "has_closed_form", lambda rule: False)
        return plan_fires(rule, *positional, **named)


@st.composite
def odd_rules(draw: st.DrawFn) -> Rule:
    start = datetime(2026, 3, 26, tzinfo=UTC) + draw(st.integers(0, 48)) * HOUR
    text = draw(
        st.sampled_from(["0 * * * *", "30 2 * * *", "15 0,2,12 * * *", "*/20 1-3 * * *", "0 9 * * MON"])
    )
    plain = Rule(starts_at=start, timezone="Europe/Berlin", cron=text, fold=draw(st.sampled_from(Fold)))
    items = [item.at for item in islice(upcoming(plain, start), 12)]
    overrides = draw(
        st.dictionaries(
            st.sampled_from(items),
            st.one_of(st.none(), st.integers(0, 200).map(lambda n: start + n * HOUR)),
            max_size=3,
        )
    )
    return Rule(
        starts_at=start,
        timezone="Europe/Berlin",
        cron=text,
        gap=draw(st.sampled_from(Gap)),
        ends_at=draw(st.one_of(st.none(), st.just(start + 6 * DAY))),
        roll=draw(st.sampled_from(Roll)),
        calendars=draw(st.sampled_from([(), (WEEKENDS,)])),
        excluded=draw(st.sampled_from([(), ("2026-03-30",)])),
        overrides=tuple(overrides.items()),
    )


@settings(max_examples=300, deadline=None)
@given(
    odd_rules(), st.integers(-5, 300), st.integers(0, 48), policies, st.one_of(st.none(), st.integers(1, 5))
)
def test_a_plan_is_what_a_list_of_all_occurrences_gives(
    rule: Rule, hours: int, ahead: int, policy: Policy, remaining: int | None
) -> None:
    now = rule.starts_at + hours * HOUR
    until = now + ahead * HOUR
    items = list(islice(upcoming(rule, rule.starts_at), 1000))
    due = [item for item in items if item.at <= until]
    assume(len(items) < 1000 or len(due) < 900)
    fires = _fired([item for item in due if not item.skip], now, policy)
    later = next((item for item in items if item.at > until and not item.skip), None)
    plan = plan_fires(rule, rule.starts_at, now, policy, remaining=remaining, until=until)
    if remaining is not None and len(fires) >= remaining:
        fires, later = fires[:remaining], None
        decided = [item for item in items if item.at <= fires[-1].at]
    else:
        decided = [item for item in items if later is None or item.at < later.at]
    assert list(plan.fires) == fires
    assert plan.next_at == (later.at if later else None)
    _assert_all_told(plan, [item for item in decided if item not in fires], policy)


def _fired(due: list[Nominal], now: datetime, policy: Policy) -> list[Nominal]:
    ages = {item: (now - item.at).total_seconds() for item in due}
    on_time = [item for item in due if ages[item] <= policy.late_after_seconds]
    caught = [item for item in due if policy.late_after_seconds < ages[item] <= policy.window_seconds]
    if policy.catch_up is CatchUp.SKIP or (policy.catch_up is CatchUp.LATEST and on_time):
        caught = []
    elif policy.catch_up is CatchUp.LATEST:
        caught = [item for item in caught if item is due[-1]]
    return [*caught, *on_time][-policy.cap :]


def _assert_all_told(plan: Plan, lost: list[Nominal], policy: Policy) -> None:
    told = []
    for run in plan.skipped:
        inside = [item for item in lost if run.first <= item.at <= run.last]
        assert len(inside) == run.count
        assert {str(item.skip or MISSED) for item in inside} == {run.reason}
        assert not any(run.first <= item.at <= run.last for item in plan.fires)
        told += inside
    assert told == lost
    assert all(run.last < later.first for run, later in pairwise(plan.skipped))
    singles = [run.count == 1 for run in plan.skipped]
    if len(lost) > policy.ledger_rows:
        assert len(plan.skipped) <= policy.ledger_rows or not any(
            run.reason == later.reason and run.count == 1 == later.count and _touch(run, later, lost, plan)
            for run, later in pairwise(plan.skipped)
        )
    else:
        assert all(singles)


def _touch(run: Skipped, later: Skipped, lost: list[Nominal], plan: Plan) -> bool:
    return not any(run.last < item.at < later.first for item in plan.fires)
