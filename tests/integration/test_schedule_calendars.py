"""Calendars, and what a change of one means for the schedules that keep it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules_app import store
from schedules_app.errors import CalendarBusy, CalendarExists, CalendarInUse
from schedules_app.models import Calendar, ScheduleCalendar
from schedules_app.records import NewCalendar
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.store import calendars
from tests.integration.helpers import at_once
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, get, told

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def _calendar(name: str = "holidays", *dates: str, **fields: Any) -> Calendar:
    return store.create_calendar(NewCalendar(name=name, dates=dates, **fields), NOON)


def _daily(**fields: Any) -> UUID:
    """A schedule of every noon from tomorrow on."""
    (key,) = create(
        **{
            "every_x_hours": None,
            "every_x_days": 1,
            "starts_at": NOON + DAY,
            "calendars": ["holidays"],
            **fields,
        }
    )
    return key


def test_a_schedule_keeps_the_days_of_its_calendars() -> None:
    _calendar("holidays", "2030-01-02")
    _calendar("works", "2030-01-03")
    key = _daily(calendars=["works", "holidays", "works"])
    assert get(key).next_run_at == NOON + 3 * DAY
    assert told(key, step=DAY) == [(1, "excluded"), (2, "excluded")]


def test_a_calendar_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(InvalidRecurrence, match="'holidays' does not exist; create it first") as refusal:
        _daily()
    assert refusal.value.field == "calendars"
    _calendar()
    key = _daily()
    with pytest.raises(InvalidRecurrence, match="'works'"):
        store.update(key, {"calendars": ["holidays", "works"]}, NOON)
    assert [item.name for item in get(key).calendars.all()] == ["holidays"]


def test_a_name_is_given_once() -> None:
    _calendar()
    with pytest.raises(CalendarExists):
        _calendar()


@pytest.mark.parametrize(
    ("days", "field"), [({"dates": ["2030-02-30"]}, "dates"), ({"rrules": ["FREQ=SOON"]}, "rrules")]
)
def test_days_that_cannot_be_read_are_refused_and_change_nothing(days: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRecurrence) as refusal:
        store.create_calendar(NewCalendar(name="new", **days), NOON)
    assert refusal.value.field == field
    _calendar("holidays", "2030-01-02")
    key = _daily()
    with pytest.raises(InvalidRecurrence):
        store.update_calendar("holidays", days, NOON)
    assert (Calendar.objects.get().revision, get(key).next_run_at) == (1, NOON + 2 * DAY)


def test_a_schedule_can_take_up_and_give_up_a_calendar() -> None:
    _calendar("holidays", "2030-01-02")
    key = _daily(calendars=[])
    assert get(key).next_run_at == NOON + DAY
    changed = store.update(key, {"calendars": ["holidays"]}, NOON)
    assert changed is not None
    assert (changed.next_run_at, changed.revision) == (NOON + 2 * DAY, 2)
    assert [item.name for item in changed.calendars.all()] == ["holidays"]
    store.update(key, {"calendars": []}, NOON)
    assert (get(key).next_run_at, told(key), ScheduleCalendar.objects.count()) == (NOON + DAY, [], 0)


def test_a_new_holiday_reaches_every_schedule_that_keeps_the_calendar_and_no_other() -> None:
    _calendar()
    keepers, other = [_daily(), _daily(roll="next")], _daily(calendars=[])
    changed = store.update_calendar("holidays", {"dates": ["2030-01-02"]}, NOON)
    assert changed is not None
    assert (changed.revision, changed.updated_at) == (2, NOON)
    assert [get(key).next_run_at for key in keepers] == [NOON + 2 * DAY] * 2
    assert get(other).next_run_at == NOON + DAY
    assert told(keepers[0], step=DAY) == [(1, "excluded")]


def test_a_holiday_that_is_none_any_more_is_a_day_like_others() -> None:
    _calendar("holidays", "2030-01-02")
    key = _daily()
    store.update_calendar("holidays", {"dates": []}, NOON)
    assert (get(key).next_run_at, told(key)) == (NOON + DAY, [])


def test_a_change_of_a_calendar_never_fires_the_past() -> None:
    _calendar("holidays", "2030-01-02", "2030-01-03")
    key = _daily()
    store.update_calendar("holidays", {"dates": []}, NOON + 36 * HOUR)
    assert get(key).next_run_at == NOON + 2 * DAY
    assert told(key, step=DAY) == [(1, "excluded")]


def test_what_lies_ahead_is_taken_back_when_its_day_becomes_a_holiday() -> None:
    _calendar()
    key = _daily()
    now = NOON + DAY - SECOND
    assert store.fire_due(now).tasks == 1
    store.update_calendar("holidays", {"dates": ["2030-01-02"]}, now)
    assert told(key, step=DAY) == [(1, "excluded")]
    assert (get(key).tasks_created, get(key).next_run_at) == (0, NOON + 2 * DAY)


def test_a_new_description_is_a_revision_and_touches_no_schedule() -> None:
    _calendar()
    key = _daily()
    with CaptureQueriesContext(connection) as queries:
        changed = store.update_calendar("holidays", {"description": "of Hesse"}, NOON)
    assert changed is not None
    assert (changed.description, changed.revision) == ("of Hesse", 2)
    assert not [query for query in queries if 'UPDATE "schedules_taskschedule"' in query["sql"]]
    assert get(key).next_run_at == NOON + DAY


def test_a_change_that_changes_nothing_is_no_revision() -> None:
    _calendar("holidays", "2030-01-02")
    changed = store.update_calendar("holidays", {"dates": ["2030-01-02"]}, NOON)
    assert changed is not None
    assert changed.revision == 1


def test_paused_and_finished_schedules_stay_so() -> None:
    _calendar()
    paused, finished = _daily(), _daily(schedule_x_times=1)
    store.fire_due(NOON + DAY)
    store.pause([paused], NOON + DAY + MINUTE)
    store.update_calendar("holidays", {"dates": ["2030-01-03"]}, NOON + DAY + MINUTE)
    assert (get(paused).due_at, get(paused).next_run_at) == (None, NOON + 3 * DAY)
    assert get(finished).next_run_at is None


def test_a_schedule_that_cannot_be_followed_keeps_no_other_from_the_change() -> None:
    _calendar()
    broken, healthy = _daily(), _daily()
    type(get(broken)).objects.filter(pk=broken).update(timezone="Mars/Olympus")
    store.update_calendar("holidays", {"dates": ["2030-01-02"]}, NOON)
    assert get(healthy).next_run_at == NOON + 2 * DAY


def test_a_calendar_in_use_cannot_be_deleted_and_says_by_how_many() -> None:
    _calendar()
    keys = [_daily(), _daily()]
    with pytest.raises(CalendarInUse, match="2 schedules use") as refusal:
        store.delete_calendar("holidays")
    assert refusal.value.schedules == 2
    for key in keys:
        store.delete(key, NOON)
    assert store.delete_calendar("holidays") is True


def test_verbs_on_an_unknown_calendar_change_nothing_and_say_so() -> None:
    assert store.update_calendar("none", {"dates": []}, NOON) is None
    assert store.delete_calendar("none") is False


def test_the_statements_for_a_hundred_schedules_are_not_a_hundred_times_those_for_one() -> None:
    def statements(count: int) -> int:
        name = f"of-{count}"
        _calendar(name)
        for _ in range(count):
            _daily(calendars=[name])
        with CaptureQueriesContext(connection) as queries:
            store.update_calendar(name, {"dates": ["2030-01-02"]}, NOON)
        return len(queries)

    # One per schedule asks for a run of excluded occurrences that reaches beyond the present.
    assert statements(60) - statements(2) <= 60


def test_a_calendar_that_is_joined_again_and_again_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _calendar()
    _daily()
    monkeypatch.setattr(calendars, "_locked_keepers", lambda name: [])
    with pytest.raises(CalendarBusy):
        store.update_calendar("holidays", {"dates": ["2030-01-02"]}, NOON)
    assert Calendar.objects.get().revision == 1


@pytest.mark.django_db(transaction=True)
def test_a_calendar_is_never_deleted_under_a_schedule_that_takes_it_up() -> None:
    for number in range(8):
        name = f"c{number}"
        _calendar(name)

        def take_up(name: str = name) -> bool:
            try:
                return bool(_daily(calendars=[name]))
            except InvalidRecurrence:
                return False

        def drop(name: str = name) -> bool:
            try:
                return store.delete_calendar(name)
            except CalendarInUse:
                return False

        taken, dropped = at_once([take_up, drop])
        assert taken is not dropped


@pytest.mark.django_db(transaction=True)
def test_changes_of_a_calendar_of_its_schedules_and_ticks_at_once_do_not_stand_in_each_others_way() -> None:
    _calendar()
    keys = [_daily(calendars=["holidays"] if number % 2 else []) for number in range(12)]

    def change_calendar() -> None:
        for day in range(3, 13):
            store.update_calendar("holidays", {"dates": [f"2030-01-{day:02}"]}, NOON)

    def change_schedules() -> None:
        for key in [*keys, *reversed(keys)]:
            store.update(key, {"calendars": ["holidays"], "priority": 1}, NOON)

    def tick() -> None:
        for _ in range(20):
            store.fire_due(NOON)

    at_once([change_calendar, change_schedules, tick])
    store.update_calendar("holidays", {"dates": ["2030-01-02"]}, NOON)
    assert [get(key).next_run_at for key in keys] == [NOON + 2 * DAY] * 12
