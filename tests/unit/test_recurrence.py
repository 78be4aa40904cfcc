"""Fixed cases of `schedules_app.recurrence`: what people would check with a calendar in their hand."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schedules_app.recurrence import (
    CatchUp,
    InvalidRecurrence,
    Nominal,
    Plan,
    Policy,
    Rule,
    Skipped,
    intervals,
    is_late,
    next_after,
    next_from,
    plan_fires,
)

START = datetime(2026, 1, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _local(zone: str, *wall: int) -> datetime:
    return datetime(*wall, tzinfo=ZoneInfo(zone))  # type: ignore[misc,arg-type]


def _rule(**columns: Any) -> Rule:
    return Rule(**{"starts_at": START, **columns})


def _times(plan: Plan) -> tuple[datetime, ...]:
    return tuple(item.at for item in plan.fires)


def _following(rule: Rule, count: int) -> list[datetime]:
    times = [rule.starts_at]
    while len(times) < count:
        following = next_after(rule, times[-1])
        assert following is not None
        times.append(following)
    return times


def test_the_first_occurrence_is_the_start() -> None:
    assert next_from(_rule(hours=5), datetime(1970, 1, 1, tzinfo=UTC)) == START


def test_next_after_is_strictly_after_and_next_from_is_not() -> None:
    assert next_after(_rule(hours=5), START) == START + 5 * HOUR
    assert next_from(_rule(hours=5), START) == START


def test_days_keep_the_wall_clock_time_when_summer_time_begins() -> None:
    rule = _rule(starts_at=_local("Europe/Berlin", 2026, 3, 28, 9), timezone="Europe/Berlin", days=1)
    assert [time.hour for time in _following(rule, 3)] == [8, 7, 7]


def test_hours_are_elapsed_hours_when_summer_time_begins() -> None:
    rule = _rule(starts_at=_local("Europe/Berlin", 2026, 3, 28, 9), timezone="Europe/Berlin", hours=24)
    assert [time.hour for time in _following(rule, 3)] == [8, 8, 8]


def test_a_time_in_the_gap_is_read_with_the_offset_before_it() -> None:
    rule = _rule(starts_at=_local("Europe/Berlin", 2026, 3, 28, 2, 30), timezone="Europe/Berlin", days=1)
    wall = [time.astimezone(ZoneInfo("Europe/Berlin")).strftime("%d %H:%M") for time in _following(rule, 3)]
    assert wall == ["28 02:30", "29 03:30", "30 02:30"]


def test_a_doubled_time_occurs_once_and_first() -> None:
    rule = _rule(starts_at=_local("Europe/Berlin", 2026, 10, 24, 2, 30), timezone="Europe/Berlin", days=1)
    assert _following(rule, 3) == [
        datetime(2026, 10, 24, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
    ]


def test_a_start_in_the_second_of_a_doubled_hour_is_the_first_occurrence() -> None:
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    rule = _rule(starts_at=second, timezone="Europe/Berlin", days=1)
    assert next_from(rule, second - HOUR) == second
    assert next_after(rule, second) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_half_hour_shift_moves_a_time_in_its_gap_by_half_an_hour() -> None:
    zone = "Australia/Lord_Howe"
    rule = _rule(starts_at=_local(zone, 2026, 10, 3, 2, 15), timezone=zone, days=1)
    assert [f"{time.astimezone(ZoneInfo(zone)):%d %H:%M}" for time in _following(rule, 3)] == [
        "03 02:15",
        "04 02:45",
        "05 02:15",
    ]


def test_a_day_that_a_zone_left_out_gives_no_second_occurrence() -> None:
    """Samoa had no 30 December 2011: the occurrences of the 30th and the 31st fall together."""
    rule = _rule(starts_at=_local("Pacific/Apia", 2011, 12, 29, 10), timezone="Pacific/Apia", days=1)
    days = [time.astimezone(ZoneInfo("Pacific/Apia")).day for time in _following(rule, 3)]
    assert days == [29, 31, 1]


def test_a_day_that_a_zone_had_twice_is_passed_through_one_by_one() -> None:
    """Alaska had a day of October 1867 twice: from there on each day begins 24 hours later."""
    rule = _rule(starts_at=datetime(1867, 10, 15, tzinfo=UTC), timezone="America/Juneau", days=1)
    times = _following(rule, 8)
    assert times == [rule.starts_at + timedelta(days=n) for n in (0, 1, 2, 3, 4, 6, 7, 8)]
    assert [next_from(rule, time) for time in times] == times


def test_an_occurrence_that_two_days_share_has_one_verdict() -> None:
    rule = _rule(starts_at=_local("Pacific/Apia", 2011, 12, 29, 10), timezone="Pacific/Apia", days=1)
    shared = _local("Pacific/Apia", 2011, 12, 31, 10).astimezone(UTC)
    plan = plan_fires(rule, rule.starts_at, shared + HOUR, Policy())
    assert (_times(plan), [run.last for run in plan.skipped]) == ((shared,), [rule.starts_at])
    plan = plan_fires(rule, shared, shared + timedelta(days=1), Policy(ledger_rows=1))
    assert plan.skipped == (Skipped(shared, shared, 1),)


def test_days_and_hours_add_up_in_each_step() -> None:
    rule = _rule(starts_at=_local("Europe/Berlin", 2026, 3, 28, 9), timezone="Europe/Berlin", days=1, hours=3)
    wall = [time.astimezone(ZoneInfo("Europe/Berlin")).strftime("%d %H:%M") for time in _following(rule, 3)]
    assert wall == ["28 09:00", "29 12:00", "30 15:00"]


def test_the_end_is_an_occurrence_itself_and_nothing_follows_it() -> None:
    rule = _rule(hours=1, ends_at=START + 2 * HOUR)
    assert next_after(rule, START + HOUR) == START + 2 * HOUR
    assert next_after(rule, START + 2 * HOUR) is None


def test_a_rule_runs_out_at_the_end_of_the_calendar() -> None:
    rule = _rule(starts_at=datetime(9999, 12, 28, 23, tzinfo=UTC), timezone="Pacific/Kiritimati", days=36_525)
    assert next_after(rule, rule.starts_at) is None
    assert next_after(rule, datetime.max.replace(tzinfo=UTC)) is None


def test_an_old_rule_costs_no_more_than_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = []
    plain = intervals.resolve

    def counted(wall: datetime, *options: Any) -> tuple[Nominal, ...]:
        lookups.append(wall)
        return plain(wall, *options)

    monkeypatch.setattr(intervals, "resolve", counted)
    rule = _rule(starts_at=datetime(1900, 1, 1, tzinfo=UTC), timezone="Europe/Berlin", days=1)
    next_after(rule, datetime(2026, 1, 1, tzinfo=UTC))
    assert len(lookups) < 12


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({}, "every_x_days"),
        ({"days": 0}, "every_x_days"),
        ({"days": 36_526}, "every_x_days"),
        ({"hours": -1}, "every_x_hours"),
        ({"hours": 10**40}, "every_x_hours"),
        ({"hours": True}, "every_x_hours"),
        ({"minutes": 1.5}, "every_x_minutes"),
        ({"seconds": 2**31}, "every_x_seconds"),
        ({"days": 1, "timezone": "Mars/Olympus"}, "timezone"),
        ({"days": 1, "timezone": "../../etc/passwd"}, "timezone"),
        ({"days": 1, "timezone": "localtime"}, "timezone"),
        ({"days": 1, "timezone": None}, "timezone"),
        ({"days": 1, "ends_at": START - HOUR}, "ends_at"),
        ({"days": 1, "starts_at": datetime(2026, 1, 1)}, "starts_at"),  # noqa: DTZ001
        ({"days": 1, "starts_at": datetime.min.replace(tzinfo=UTC)}, "starts_at"),
        ({"days": 1, "ends_at": datetime.max.replace(tzinfo=UTC)}, "ends_at"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_by_field(columns: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRecurrence) as refusal:
        _rule(**columns)
    assert refusal.value.field == field
    assert refusal.value.message


def test_a_naive_time_is_refused_not_guessed() -> None:
    with pytest.raises(InvalidRecurrence):
        next_after(_rule(days=1), datetime(2026, 1, 1))  # noqa: DTZ001


def test_an_occurrence_that_is_on_time_is_fired_under_each_policy() -> None:
    for catch_up in CatchUp:
        plan = plan_fires(_rule(hours=1), START, START + timedelta(seconds=1), Policy(catch_up=catch_up))
        assert plan == Plan((Nominal(START),), (), START + HOUR)


def test_latest_fires_the_last_missed_occurrence_and_records_the_others() -> None:
    plan = plan_fires(_rule(hours=1), START, START + 2.5 * HOUR, Policy())
    skipped = tuple(Skipped(START + n * HOUR, START + n * HOUR, 1) for n in range(2))
    assert plan == Plan((Nominal(START + 2 * HOUR),), skipped, START + 3 * HOUR)


def test_latest_leaves_missed_ones_alone_when_one_is_on_time() -> None:
    plan = plan_fires(_rule(hours=1), START, START + 2 * HOUR, Policy())
    assert _times(plan) == (START + 2 * HOUR,)


def test_latest_drops_an_occurrence_beyond_the_window() -> None:
    plan = plan_fires(_rule(days=7), START, START + timedelta(days=3), Policy())
    assert plan == Plan((), (Skipped(START, START, 1),), START + timedelta(days=7))


def test_all_fires_each_one_within_the_window() -> None:
    policy = Policy(catch_up=CatchUp.ALL, window_seconds=2 * 3600)
    plan = plan_fires(_rule(hours=1), START, START + 4 * HOUR, policy)
    assert _times(plan) == tuple(START + n * HOUR for n in (2, 3, 4))
    assert [run.first for run in plan.skipped] == [START, START + HOUR]


def test_all_fires_the_newest_up_to_the_cap() -> None:
    policy = Policy(catch_up=CatchUp.ALL, cap=2)
    plan = plan_fires(_rule(hours=1), START, START + 4 * HOUR, policy)
    assert _times(plan) == (START + 3 * HOUR, START + 4 * HOUR)


def test_skip_fires_nothing_that_is_late() -> None:
    plan = plan_fires(_rule(hours=1), START, START + 1.5 * HOUR, Policy(catch_up=CatchUp.SKIP))
    assert (_times(plan), plan.next_at) == ((), START + 2 * HOUR)


def test_a_limit_on_tasks_ends_the_rule_with_its_last_task() -> None:
    policy = Policy(catch_up=CatchUp.ALL)
    plan = plan_fires(_rule(hours=1), START, START + 4 * HOUR, policy, remaining=2)
    assert plan == Plan((Nominal(START), Nominal(START + HOUR)), (), None)
    assert plan_fires(_rule(hours=1), START, START, policy, remaining=0) == Plan()


def test_two_weeks_of_downtime_give_few_rows_that_account_for_all() -> None:
    plan = plan_fires(_rule(seconds=1), START, START + timedelta(days=14), Policy(ledger_rows=10))
    assert len(plan.skipped) == 10
    assert sum(run.count for run in plan.skipped) + len(plan.fires) == 14 * 86_400 + 1
    assert len(plan.fires) <= Policy().cap


def test_an_outage_past_the_end_fires_nothing_after_the_end() -> None:
    policy = Policy(catch_up=CatchUp.ALL)
    plan = plan_fires(_rule(hours=1, ends_at=START + 1.5 * HOUR), START, START + 9 * HOUR, policy)
    assert plan == Plan((Nominal(START), Nominal(START + HOUR)), (), None)


def test_an_occurrence_is_late_exactly_when_it_counts_as_missed() -> None:
    policy = Policy(catch_up=CatchUp.SKIP, late_after_seconds=60)
    for delay, late in ((60, False), (60.000001, True)):
        now = START + timedelta(seconds=delay)
        assert is_late(START, now, policy) is late
        assert plan_fires(_rule(hours=1), START, now, policy).fires == (() if late else (Nominal(START),))


def test_nothing_is_due_when_the_clock_was_set_back() -> None:
    plan = plan_fires(_rule(hours=1), START + 3 * HOUR, START, Policy())
    assert plan == Plan((), (), START + 3 * HOUR)
