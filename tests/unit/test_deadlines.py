"""Local times of day as instants, through the changes of clocks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules_app.deadlines import deadline_after, deadline_before

ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/New_York", "Asia/Kathmandu"]


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (_utc(2026, 1, 1, 5, 29), _utc(2026, 1, 1, 5, 30)),
        (_utc(2026, 1, 1, 5, 30), _utc(2026, 1, 2, 5, 30)),
        (_utc(2026, 3, 28, 5, 30), _utc(2026, 3, 29, 4, 30)),
        (_utc(2026, 10, 24, 4, 30), _utc(2026, 10, 25, 5, 30)),
    ],
)
def test_a_deadline_is_a_time_on_the_wall_clock(moment: datetime, expected: datetime) -> None:
    assert deadline_after(moment, "06:30", "Europe/Berlin") == expected


def test_a_deadline_in_a_gap_is_read_with_the_offset_before_it_and_in_a_fold_as_the_first() -> None:
    assert deadline_after(_utc(2026, 3, 28, 12), "02:30", "Europe/Berlin") == _utc(2026, 3, 29, 1, 30)
    assert deadline_after(_utc(2026, 10, 24, 12), "02:30", "Europe/Berlin") == _utc(2026, 10, 25, 0, 30)


@given(
    moment=st.integers(0, 2_140_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    minute=st.integers(0, 24 * 60 - 1),
    zone=st.sampled_from(ZONES),
)
def test_no_deadline_lies_between_the_one_before_and_the_one_after(
    moment: datetime, minute: int, zone: str
) -> None:
    text = f"{minute // 60:02}:{minute % 60:02}"
    before, after = deadline_before(moment, text, zone), deadline_after(moment, text, zone)
    assert before < moment < after
    assert deadline_after(before, text, zone) in {moment, after}
    assert deadline_before(after, text, zone) in {moment, before}
    assert after - before <= timedelta(hours=3 * 24 + 2)
