"""Wall-clock times as instants, and intervals of days with all gap and fold options, around changes of clocks."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules_app.recurrence import Fold, Gap, Nominal, Note, Rule, Skip, upcoming, zones
from tests.unit.recurrence_models import CHANGES, Minutes, chosen, clock_at, falling_together

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")


@lru_cache
def _around(change: tuple[str, datetime]) -> Minutes:
    """Four days to either side; the local clock shows whole minutes."""
    begin = change[1] - 4 * DAY
    begin -= timedelta(seconds=clock_at(begin, ZoneInfo(change[0])).second)
    return Minutes(ZoneInfo(change[0]), begin, change[1] + 4 * DAY)


@pytest.mark.parametrize(("to_edge", "hour", "minute"), [(False, 1, 30), (True, 1, 0)])
def test_a_time_in_a_gap_is_moved_as_its_standard_says(to_edge: bool, hour: int, minute: int) -> None:
    wall = datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001
    found = zones.resolve(wall, BERLIN, to_edge=to_edge)
    assert found == (Nominal(datetime(2026, 3, 29, hour, minute, tzinfo=UTC), (Note.GAP,)),)
    assert zones.resolve(wall, BERLIN, Gap.SKIP)[0].skip is Skip.DST_GAP
    assert zones.resolve(wall, BERLIN, None) == ()


@pytest.mark.parametrize(("fold", "hours"), [(Fold.FIRST, [0]), (Fold.SECOND, [1]), (Fold.BOTH, [0, 1])])
def test_a_doubled_time_is_what_the_option_says(fold: Fold, hours: list[int]) -> None:
    found = zones.resolve(datetime(2026, 10, 25, 2, 30), BERLIN, fold=fold)  # noqa: DTZ001
    assert [item.at.hour for item in found] == hours
    assert {item.notes for item in found} == {(Note.FOLD,)}


def test_what_falls_together_fires_if_any_does() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    skipped, firing = Nominal(at, (Note.GAP,), Skip.DST_GAP), Nominal(at, (Note.ROLLED,))
    assert list(zones.merged([skipped, firing])) == [Nominal(at, (Note.GAP, Note.ROLLED))]
    assert list(zones.merged([skipped, skipped])) == [skipped]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(CHANGES),
    st.integers(-2 * 24 * 60, 2 * 24 * 60),
    st.sampled_from(Fold),
    st.booleans(),
    st.integers(1, 200),
)
def test_no_time_at_or_after_a_moment_stems_from_before_its_wall(
    change: tuple[str, datetime], minutes: int, fold: Fold, to_edge: bool, step: int
) -> None:
    zone, moment = ZoneInfo(change[0]), change[1] + minutes * MINUTE
    floor = zones.wall_before(moment, zone)
    wall = clock_at(moment, zone) - 3 * DAY
    while wall < floor:
        assert all(item.at < moment for item in zones.resolve(wall, zone, fold=fold, to_edge=to_edge))
        wall += step * MINUTE


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(CHANGES),
    st.integers(0, 2 * 24 * 60),
    st.sampled_from([(1, 0), (2, 0), (1, 3), (1, 25)]),
    st.sampled_from(Gap),
    st.sampled_from(Fold),
    st.integers(0, 5 * 24 * 60),
)
def test_days_around_a_change_are_as_brute_force_says(
    change: tuple[str, datetime], begin: int, step: tuple[int, int], gap: Gap, fold: Fold, entered: int
) -> None:
    around, zone = _around(change), ZoneInfo(change[0])
    start = around.all[0][0] + DAY + begin * MINUTE
    days, hours = step
    rule = Rule(starts_at=start, timezone=change[0], days=days, hours=hours or None, gap=gap, fold=fold)
    items, number = [(start, True)], 1
    end = change[1] + 3 * DAY
    while (wall := clock_at(start, zone) + number * days * DAY) < around.all[-1][1] - DAY:
        readings, kind = around.read(wall, to_edge=False)
        assert kind != "outside"
        fires = not (kind == "gap" and gap is Gap.SKIP)
        items += [(at + number * hours * HOUR, fires) for at in chosen(readings, kind, fold)]
        number += 1
    # Of the first one not looked at nothing is known.
    end = min(end, change[1] + 2 * DAY)
    expected = [pair for pair in falling_together(items) if start + entered * MINUTE <= pair[0] < end]
    found = list(takewhile(lambda item: item.at < end, upcoming(rule, start + entered * MINUTE)))
    assert [(item.at, item.skip is None) for item in found] == expected
    assert all(earlier.at < later.at for earlier, later in pairwise(found))
