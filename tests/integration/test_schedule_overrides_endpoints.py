"""/task-schedules/{id}/ skip-next, move and restore."""

import pytest

from tests.integration.http import faults, post, problem
from tests.integration.schedule_http import (
    act,
    clock,  # noqa: F401 - a fixture for every test here
    finished,
    made,
    previewed,
    read,
    shown,
    tick,
    told,
    url_of,
)
from tests.integration.schedules import FOUR, HOUR, MINUTE, NOON, THREE, TWO

pytestmark = pytest.mark.django_db


def test_a_skipped_occurrence_does_not_fire_and_the_one_after_it_does():
    schedule = made(starts_at=shown(NOON + HOUR))
    body = act(schedule, "skip-next")
    assert body["overrides"] == [{"occurs_at": shown(NOON + HOUR), "moved_to": None}]
    assert (body["next_run_at"], body["revision"]) == (shown(TWO), 2)
    assert previewed(schedule)[0] == (shown(NOON + HOUR), False, ["skipped"])
    tick(TWO, step=30 * MINUTE)
    assert told(schedule) == [(1, "requested"), (2, "FIRED")]


def test_each_skip_takes_one_more():
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    body = act(schedule, "skip-next")
    assert [item["occurs_at"] for item in body["overrides"]] == [shown(NOON + HOUR), shown(TWO)]
    assert body["next_run_at"] == shown(THREE)


def test_the_next_occurrence_of_a_paused_schedule_is_skipped_and_it_stays_paused():
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "pause")
    body = act(schedule, "skip-next")
    assert (body["status"], len(body["overrides"])) == ("PAUSED", 1)


def test_to_skip_the_last_occurrence_finishes_a_schedule():
    schedule = made(starts_at=shown(NOON + HOUR), ends_at=shown(NOON + HOUR))
    assert act(schedule, "skip-next")["status"] == "FINISHED"
    assert act(schedule, "restore", {"occurs_at": shown(NOON + HOUR)})["status"] == "ACTIVE"


def test_a_moved_occurrence_comes_at_its_new_time_alone():
    schedule = made(starts_at=shown(NOON + HOUR))
    target = TWO + 30 * MINUTE
    body = act(schedule, "move", {"occurs_at": shown(NOON + HOUR), "to": shown(target)})
    assert body["overrides"] == [{"occurs_at": shown(NOON + HOUR), "moved_to": shown(target)}]
    assert body["next_run_at"] == shown(TWO)
    assert previewed(schedule, 2) == [(shown(TWO), True, []), (shown(target), True, ["moved"])]
    tick(THREE, step=30 * MINUTE)
    assert told(schedule, verdict="FIRED") == [(2, "FIRED"), (2.5, "FIRED"), (3, "FIRED")]


def test_a_moved_occurrence_is_moved_again_by_its_new_time():
    schedule = made(starts_at=shown(NOON + HOUR))
    half = NOON + 30 * MINUTE
    act(schedule, "move", {"occurs_at": shown(NOON + HOUR), "to": shown(half)})
    body = act(schedule, "move", {"occurs_at": shown(half), "to": shown(half + MINUTE)})
    assert body["overrides"] == [{"occurs_at": shown(NOON + HOUR), "moved_to": shown(half + MINUTE)}]
    assert body["next_run_at"] == shown(half + MINUTE)
    assert act(schedule, "restore", {"occurs_at": shown(NOON + HOUR)})["overrides"] == []


def test_times_of_a_move_may_be_written_with_any_offset():
    schedule = made(starts_at=shown(NOON + HOUR))
    body = act(
        schedule, "move", {"occurs_at": "2030-01-01T14:00:00+01:00", "to": "2030-01-01T09:30:00-04:00"}
    )
    assert body["overrides"] == [{"occurs_at": shown(NOON + HOUR), "moved_to": shown(NOON + 90 * MINUTE)}]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"occurs_at": shown(TWO + MINUTE), "to": shown(FOUR)}, "#/occurs_at", "no_such_occurrence"),
        ({"occurs_at": shown(NOON - HOUR), "to": shown(FOUR)}, "#/occurs_at", "no_such_occurrence"),
        ({"occurs_at": shown(TWO), "to": shown(NOON)}, "#/to", "invalid_recurrence"),
        ({"occurs_at": shown(TWO), "to": "2031-01-03T00:00:00Z"}, "#/to", "invalid_recurrence"),
        ({"occurs_at": shown(TWO), "to": "2030-01-01T16:00:00"}, "#/to", "offset_required"),
        ({"occurs_at": "9999-12-31T23:59:59Z", "to": shown(TWO)}, "#/occurs_at", "out_of_range"),
        ({"occurs_at": None, "to": shown(TWO)}, "#/occurs_at", "null"),
        ({"occurs_at": shown(TWO)}, "#/to", "required"),
        ({"to": shown(TWO)}, "#/occurs_at", "required"),
    ],
)
def test_a_wrong_move_is_refused_by_name_and_changes_nothing(body, pointer, code):
    schedule = made(starts_at=shown(NOON + HOUR))
    assert faults(post(url_of(schedule, "move/"), body)) == {(pointer, code)}
    assert read(schedule) == schedule


def test_an_occurrence_that_has_fired_cannot_be_moved():
    schedule = made()
    tick(NOON)
    body = {"occurs_at": shown(NOON), "to": shown(FOUR)}
    assert faults(post(url_of(schedule, "move/"), body)) == {("#/occurs_at", "no_such_occurrence")}


def test_a_finished_schedule_has_nothing_to_move():
    body = {"occurs_at": shown(NOON + HOUR), "to": shown(FOUR)}
    assert faults(post(url_of(finished(), "move/"), body)) == {("#/occurs_at", "no_such_occurrence")}


@pytest.mark.parametrize("verb", ["skip-next", "move"])
def test_a_restored_occurrence_comes_as_by_the_rule(verb):
    schedule = made(starts_at=shown(NOON + HOUR))
    body = {"occurs_at": shown(NOON + HOUR), "to": shown(FOUR + MINUTE)} if verb == "move" else None
    act(schedule, verb, body)
    restored = act(schedule, "restore", {"occurs_at": shown(NOON + HOUR)})
    assert (restored["overrides"], restored["next_run_at"]) == ([], schedule["next_run_at"])
    tick(NOON + HOUR, step=30 * MINUTE)
    assert told(schedule) == [(1, "FIRED")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"occurs_at": shown(TWO)}, "no_such_occurrence"),
        ({"occurs_at": shown(NOON - HOUR)}, "no_such_occurrence"),
        ({}, "required"),
        ({"occurs_at": "soon"}, "invalid"),
    ],
)
def test_a_wrong_restore_is_refused_by_name(body, code):
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    before = read(schedule)
    assert faults(post(url_of(schedule, "restore/"), body)) == {("#/occurs_at", code)}
    assert read(schedule) == before


def test_what_is_over_cannot_be_restored(clock):  # noqa: F811
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    clock(TWO)
    body = {"occurs_at": shown(NOON + HOUR)}
    assert faults(post(url_of(schedule, "restore/"), body)) == {("#/occurs_at", "no_such_occurrence")}


def test_too_many_overrides_are_a_conflict_with_what_to_do(monkeypatch):
    monkeypatch.setattr("schedules_app.store.overrides.MOST_OVERRIDES", 2)
    schedule = made(starts_at=shown(NOON + HOUR))
    act(schedule, "skip-next")
    act(schedule, "skip-next")
    before = read(schedule)
    answers = [
        problem(post(url_of(schedule, "skip-next/")), 409),
        problem(post(url_of(schedule, "move/"), {"occurs_at": shown(THREE), "to": shown(TWO)}), 409),
    ]
    assert {answer["code"] for answer in answers} == {"too_many_overrides"}
    assert all("restore some" in answer["detail"] for answer in answers)
    assert read(schedule) == before
