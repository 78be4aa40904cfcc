"""Rules in plain English."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules_app.recurrence import Calendar, Fold, Gap, InvalidRecurrence, Roll, Rule, describe

START = datetime(2026, 3, 2, 8, tzinfo=UTC)  # a Monday
HOLIDAYS = Calendar("holidays", dates=("2026-12-25",))


def _said(**columns: Any) -> str:
    return describe(Rule(starts_at=START, timezone="Europe/Berlin", **columns))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"days": 1}, "Every day at 09:00"),
        ({"days": 2}, "Every 2 days at 09:00"),
        ({"days": 2, "hours": 3}, "Every 2 days and 3 hours"),
        ({"days": 1, "hours": 1, "seconds": 1}, "Every 1 day, 1 hour and 1 second"),
        ({"hours": 1}, "Every hour"),
        ({"seconds": 30}, "Every 30 seconds"),
        ({"cron": "30 17 * * MON-FRI"}, "At 17:30, Monday through Friday"),
        ({"cron": "@hourly"}, "Every hour"),
        ({"cron": "*/15 * * * *"}, "Every 15 minutes"),
        ({"cron": "0 9 1 * MON"}, "At 09:00, on day 1 of the month, or on Monday (either day suffices)"),
        ({"rrule": "FREQ=DAILY"}, "Every day at 09:00"),
        (
            {"rrule": "FREQ=MONTHLY;BYMONTHDAY=1,15;BYHOUR=9;BYMINUTE=0"},
            "Every month on the 1st and 15th at 09:00",
        ),
        ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=-1"}, "Every month on the last day at 09:00"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=2TU"}, "Every month on the 2nd Tuesday at 09:00"),
        ({"rrule": "FREQ=WEEKLY;INTERVAL=2"}, "Every 2 weeks on Monday at 09:00"),
        (
            {"rrule": "FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=8,12"},
            "Every week on Monday and Friday at 08:00 and 12:00",
        ),
        ({"rrule": "FREQ=YEARLY;COUNT=3"}, "Every year on March 2 at 09:00, 3 times"),
        ({"rrule": "FREQ=HOURLY;INTERVAL=6"}, "Every 6 hours"),
    ],
)
def test_a_recurrence_is_said_in_words(columns: dict[str, Any], expected: str) -> None:
    assert _said(**columns) == f"{expected}, Europe/Berlin time, from 2026-03-02 09:00"


def test_what_departs_from_the_default_is_said() -> None:
    said = _said(
        cron="30 2 * * *",
        ends_at=START + timedelta(days=1),
        gap=Gap.SKIP,
        fold=Fold.BOTH,
        excluded=("2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04"),
        calendars=(HOLIDAYS,),
        roll=Roll.NEXT,
        overrides=((START, None),),
    )
    assert said == (
        "At 02:30, Europe/Berlin time, from 2026-03-02 09:00 until 2026-03-03 09:00; "
        "times that do not exist are skipped; doubled times occur twice; "
        "not on 2026-05-01, 2026-05-02, 2026-05-03 and 1 more; "
        "moved to the next free day from days of the calendar “holidays”; 1 occurrence changed by hand"
    )


@pytest.mark.parametrize("columns", [{"hours": 1}, {"cron": "*/5 * * * *"}])
def test_options_that_do_not_apply_are_not_said(columns: dict[str, Any]) -> None:
    assert "times" not in _said(gap=Gap.SKIP, fold=Fold.BOTH, **columns)


_part = st.sampled_from(
    [
        "INTERVAL=3",
        "COUNT=4",
        "UNTIL=20270101T000000Z",
        "BYDAY=MO,-1FR",
        "BYDAY=SU",
        "BYMONTHDAY=-2,3",
        "BYSETPOS=-1",
        "BYYEARDAY=100",
        "BYWEEKNO=20",
        "BYHOUR=1,2,3",
        "BYMINUTE=0,15,30,45",
        "BYSECOND=7",
        "BYMONTH=2,6",
        "WKST=SU",
    ]
)
_frequency = st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"])


@settings(max_examples=300, deadline=None)
@given(_frequency, st.sets(_part, max_size=4))
def test_each_accepted_rrule_is_said_without_its_code(frequency: str, parts: set[str]) -> None:
    try:
        said = _said(rrule=";".join([f"FREQ={frequency}", *sorted(parts)]))
    except InvalidRecurrence:
        return
    assert said.startswith("Every ")
    assert "=" not in said


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["*", "1", "L", "LW", "5L", "1#5", "*/7", "1-5/2", "0,3", "MON"]),
        min_size=5,
        max_size=5,
    )
)
def test_each_accepted_cron_expression_is_said_without_its_code(fields: list[str]) -> None:
    try:
        said = _said(cron=" ".join(fields))
    except InvalidRecurrence:
        return
    assert "*" not in said
    assert "None" not in said
