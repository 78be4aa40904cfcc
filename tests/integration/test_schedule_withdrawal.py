"""Changes of schedules whose next occurrences are laid down ahead already: nothing is lost, and nothing fires twice."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules_app import store
from schedules_app.errors import StaleRevision
from schedules_app.models import Occurrence
from schedules_app.recurrence import InvalidRecurrence
from tasks_app.models import Task
from tests.integration.helpers import claim
from tests.integration.schedules import HOUR, MINUTE, NOON, SECOND, create, get, ledger, told

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
AHEAD = NOON - SECOND
"""A moment at which a tick lays the occurrence of noon down."""


def _ahead(**fields: Any) -> UUID:
    """A schedule whose occurrence of noon is laid down a second ahead of it."""
    (key,) = create(starts_at=NOON, now=NOON - HOUR, **fields)
    assert store.fire_due(AHEAD).tasks == 1
    return key


def _resting(key: UUID) -> tuple[Any, ...]:
    schedule = get(key)
    return schedule.next_run_at, schedule.tasks_created, schedule.last_run_at


def test_a_pause_takes_back_what_lies_ahead_and_a_resume_fires_it() -> None:
    key = _ahead()
    store.pause([key], AHEAD)
    assert (_resting(key), ledger(key), Task.objects.count()) == ((NOON, 0, None), [], 0)
    store.resume([key], AHEAD)
    assert store.fire_due(NOON).tasks == 1
    assert ledger(key) == [(NOON, "FIRED")]


def test_what_lay_ahead_of_a_pause_is_skipped_like_the_rest_of_it() -> None:
    key = _ahead()
    store.pause([key], AHEAD)
    store.resume([key], NOON + HOUR + MINUTE)
    assert told(key) == [(0, "paused"), (1, "paused")]


def test_a_task_that_has_begun_is_not_taken_back() -> None:
    key = _ahead()
    Task.objects.update(status="PENDING", run_at=AHEAD)
    assert len(claim(now=AHEAD)) == 1
    store.pause([key], AHEAD)
    store.resume([key], AHEAD)
    assert _resting(key) == (NOON + HOUR, 1, NOON)
    assert ledger(key) == [(NOON, "FIRED")]


def test_the_last_task_of_a_limited_schedule_can_be_paused_while_it_lies_ahead() -> None:
    key = _ahead(schedule_x_times=1)
    assert get(key).next_run_at is None
    assert store.pause([key], AHEAD) == {key}
    assert _resting(key) == (NOON, 0, None)
    store.resume([key], AHEAD)
    store.fire_due(NOON)
    assert (_resting(key), Task.objects.count()) == ((None, 1, NOON), 1)


def test_a_new_template_holds_for_what_was_laid_down_ahead() -> None:
    key = _ahead()
    store.update(key, {"priority": 0, "arguments": {}, "operation": "1+1"}, AHEAD)
    store.fire_due(AHEAD)
    task = Task.objects.get()
    assert (task.operation, task.priority, task.run_at) == ("1+1", 0, NOON)
    assert Occurrence.objects.get().revision == 2


def test_a_new_rule_takes_back_what_the_old_one_laid_down() -> None:
    key = _ahead()
    store.update(key, {"starts_at": NOON + MINUTE}, AHEAD)
    assert (_resting(key), Task.objects.count()) == ((NOON + MINUTE, 0, None), 0)


def test_a_change_of_the_name_leaves_what_lies_ahead() -> None:
    key = _ahead()
    store.update(key, {"name": "nightly"}, AHEAD)
    assert (get(key).next_run_at, Task.objects.count()) == (NOON + HOUR, 1)


def test_a_change_of_overlap_moves_the_moment_of_decision() -> None:
    (key,) = create(starts_at=NOON, now=NOON - HOUR)
    assert get(key).due_at == NOON - 3 * SECOND
    store.update(key, {"overlap": "skip"}, NOON - HOUR)
    assert get(key).due_at == NOON
    store.update(key, {"overlap": "allow"}, NOON - HOUR)
    assert get(key).due_at == NOON - 3 * SECOND


def test_a_new_jitter_is_no_new_rule_but_holds_for_what_lies_ahead() -> None:
    key = _ahead()
    store.update(key, {"jitter_seconds": 600}, AHEAD)
    assert get(key).next_run_at == NOON
    store.fire_due(AHEAD)
    assert NOON < Task.objects.get().run_at <= NOON + 600 * SECOND


def test_a_deleted_schedule_takes_tasks_along_that_have_not_come_yet() -> None:
    key = _ahead()
    assert store.delete(key, AHEAD)
    assert (Task.objects.count(), Occurrence.objects.count()) == (0, 0)


def test_a_task_that_waits_for_its_jitter_only_is_not_taken_back() -> None:
    key = _ahead(jitter_seconds=600)
    store.pause([key], NOON + SECOND)
    assert Task.objects.count() == 1
    assert ledger(key) == [(NOON, "FIRED")]


def test_what_a_rule_skips_before_its_first_occurrence_has_a_verdict_from_the_start() -> None:
    (key,) = create(every_x_hours=None, every_x_days=1, excluded_dates=["2030-01-01", "2030-01-02"])
    assert told(key, step=DAY) == [(0, "excluded"), (1, "excluded")]
    assert get(key).next_run_at == NOON + 2 * DAY


def test_an_exclusion_that_is_lifted_takes_its_verdict_ahead_back() -> None:
    (key,) = create(every_x_hours=None, every_x_days=1, starts_at=NOON + DAY, excluded_dates=["2030-01-02"])
    store.update(key, {"excluded_dates": []}, NOON)
    assert (told(key), get(key).next_run_at) == ([], NOON + DAY)


def test_a_run_of_excluded_occurrences_is_cut_off_where_the_exclusion_is_lifted() -> None:
    (key,) = create(excluded_dates=["2030-01-01", "2030-01-02"])
    assert get(key).next_run_at == NOON + 36 * HOUR
    store.update(key, {"excluded_dates": ["2030-01-01"]}, NOON + 2 * HOUR + MINUTE)
    rows = Occurrence.objects.filter(task_schedule_id=key).order_by("occurs_at")
    assert sum(row.count for row in rows) == 12
    assert all((row.last_occurs_at or row.occurs_at) < NOON + 12 * HOUR for row in rows)
    assert get(key).next_run_at == NOON + 12 * HOUR


def test_a_change_of_a_revision_that_is_no_more_changes_nothing() -> None:
    key = _ahead()
    store.update(key, {"priority": 1}, AHEAD, if_revision=1)
    with pytest.raises(StaleRevision) as refusal:
        store.update(key, {"priority": 2}, AHEAD, if_revision=1)
    with pytest.raises(StaleRevision):
        store.delete(key, AHEAD, if_revision=1)
    assert (refusal.value.revision, get(key).priority) == (2, 1)


def test_a_pause_until_a_time_ends_by_itself() -> None:
    (key,) = create()
    store.pause([key], NOON, until=NOON + 90 * MINUTE)
    assert store.fire_due(NOON + HOUR).schedules == 0
    store.fire_due(NOON + 90 * MINUTE)
    store.fire_due(NOON + 2 * HOUR)
    assert told(key) == [(0, "paused"), (1, "paused"), (2, "FIRED")]


def test_a_pause_that_ends_in_the_past_is_refused() -> None:
    (key,) = create()
    with pytest.raises(InvalidRecurrence) as refusal:
        store.pause([key], NOON, until=NOON)
    assert (refusal.value.field, get(key).paused_at) == ("until", None)


def test_a_second_pause_changes_note_and_end_but_not_since_when() -> None:
    (key,) = create()
    store.pause([key], NOON, "first")
    assert store.pause([key], NOON + MINUTE, "second", NOON + DAY) == {key}
    schedule = get(key)
    assert (schedule.paused_at, schedule.pause_note) == (NOON, "second")
    assert (schedule.paused_until, schedule.due_at) == (NOON + DAY, NOON + DAY)


def test_a_resume_that_catches_up_lets_the_policy_decide() -> None:
    (key,) = create(catch_up="all")
    store.pause([key], NOON)
    store.resume([key], NOON + 2 * HOUR + MINUTE, catch_up=True)
    store.fire_due(NOON + 2 * HOUR + MINUTE)
    assert told(key) == [(0, "LATE"), (1, "LATE"), (2, "FIRED")]


def test_a_paused_schedule_stays_so_when_it_is_changed() -> None:
    (key,) = create()
    store.pause([key], NOON, until=NOON + DAY)
    store.update(key, {"every_x_hours": 2}, NOON + MINUTE)
    assert (get(key).due_at, get(key).next_run_at) == (NOON + DAY, NOON + 2 * HOUR)


def test_a_schedule_whose_rule_cannot_be_followed_can_be_paused_all_the_same() -> None:
    (key,) = create(starts_at=NOON + HOUR)
    type(get(key)).objects.filter(pk=key).update(timezone="Mars/Olympus")
    assert store.pause([key], NOON) == {key}


def test_tasks_of_many_schedules_are_taken_back_at_once_in_the_order_in_which_others_lock_them() -> None:
    # A bulk cancel locks tasks by their ids: in another order both would wait for each other.
    keys = create(20, starts_at=NOON, now=NOON - HOUR)
    assert store.fire_due(NOON - 3 * SECOND).tasks == 20
    with CaptureQueriesContext(connection) as queries:
        store.pause(keys, NOON - 3 * SECOND)
    locking, deleting = [query["sql"] for query in queries if 'FROM "tasks_task"' in query["sql"]]
    assert "ORDER BY 1 ASC" in locking
    assert connection.vendor == "sqlite" or locking.endswith("FOR UPDATE")
    assert deleting.startswith("DELETE")
    assert not Task.objects.exists()


def test_a_pause_of_many_needs_no_statement_per_schedule() -> None:
    def statements(count: int) -> int:
        keys = create(count, starts_at=NOON, now=NOON - HOUR)
        store.fire_due(NOON - 3 * SECOND)
        with CaptureQueriesContext(connection) as queries:
            assert store.pause(keys, NOON - 3 * SECOND) == set(keys)
        return len(queries)

    assert statements(100) - statements(2) < 100 / 10
