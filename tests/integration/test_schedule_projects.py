"""Schedules and calendars of several projects beside each other: whose tasks they fire, who may change them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from schedules_app import errors, queries, store
from schedules_app.models import Backfill, Calendar, TaskSchedule
from schedules_app.records import NewCalendar
from schedules_app.recurrence import InvalidRecurrence
from tasks_app.models import Task
from tests.integration.schedules import HOUR, MINUTE, NOON, create, finish_all, get, ledger, new, rows

pytestmark = pytest.mark.django_db

MINE, THEIRS = 7, 8
TODAY = NOON.date().isoformat()


def _catch_up() -> None:
    create(project_id=MINE, catch_up="all")
    store.fire_due(NOON + 5 * HOUR)


def _buffered() -> None:
    create(project_id=MINE, overlap="buffer_all")
    store.fire_due(NOON)
    store.fire_due(NOON + HOUR)
    finish_all(NOON + HOUR)
    store.fire_due(NOON + HOUR + MINUTE)


def _resumed() -> None:
    keys = create(project_id=MINE)
    store.pause(keys, NOON)
    store.resume(keys, NOON + 2 * HOUR, catch_up=True)
    store.fire_due(NOON + 2 * HOUR)


def _backfilled() -> None:
    (key,) = create(project_id=MINE, starts_at=NOON + 9 * HOUR)
    store.update(key, {"starts_at": NOON - 9 * HOUR}, NOON + MINUTE)
    store.backfill(key, NOON - 3 * HOUR, NOON, 5, NOON + MINUTE)
    assert store.work_backfills(NOON + MINUTE)


LANES: dict[str, tuple[Callable[[], object], int]] = {
    "plain": (lambda: (create(project_id=MINE), store.fire_due(NOON)), 1),
    "planned": (lambda: (create(project_id=MINE, overlap="skip"), store.fire_due(NOON)), 1),
    "last": (lambda: (create(project_id=MINE, schedule_x_times=1), store.fire_due(NOON)), 1),
    "caught up": (_catch_up, 6),
    "buffered": (_buffered, 2),
    "resumed": (_resumed, 1),
    "triggered": (lambda: store.trigger(*create(project_id=MINE), NOON), 1),
    "backfilled": (_backfilled, 4),
}


@pytest.mark.parametrize("lane", LANES)
def test_a_fired_task_belongs_to_the_project_of_its_schedule(lane: str) -> None:
    act, count = LANES[lane]
    act()
    assert list(Task.objects.values_list("project_id", flat=True)) == [MINE] * count


def test_a_tick_fires_the_schedules_of_all_projects_at_once() -> None:
    keys = {project_id: create(project_id=project_id)[0] for project_id in (1, MINE, THEIRS)}
    assert store.fire_due(NOON).tasks == 3
    assert dict(Task.objects.values_list("project_id", "task_schedule")) == keys


def test_who_says_nothing_creates_in_the_default_project() -> None:
    (key,) = create()
    calendar = store.create_calendar(NewCalendar(name="a"), NOON)
    assert (get(key).project_id, calendar.project_id) == (1, 1)


VERBS: dict[str, Callable[[UUID, int], Any]] = {
    "lock": lambda key, project: store.lock(key, project),
    "update": lambda key, project: store.update(key, {"priority": 1}, NOON, project_id=project),
    "delete": lambda key, project: store.delete(key, NOON, project_id=project),
    "pause": lambda key, project: store.pause([key], NOON, project_id=project),
    "resume": lambda key, project: store.resume([key], NOON, project_id=project),
    "trigger": lambda key, project: store.trigger(key, NOON, project_id=project),
    "skip_next": lambda key, project: store.skip_next(key, NOON, project_id=project),
    "move": lambda key, project: store.move(key, NOON + HOUR, NOON + HOUR + MINUTE, NOON, project_id=project),
    "restore": lambda key, project: store.restore(key, NOON + 3 * HOUR, NOON, project_id=project),
    "backfill": lambda key, project: store.backfill(key, NOON, NOON, 5, NOON, project_id=project),
    "cancel_backfill": lambda key, project: store.cancel_backfill(
        Backfill.objects.get().pk, NOON, project_id=project
    ),
}


def _busy(project_id: int, *, is_paused: bool) -> UUID:
    """A schedule on which each of the verbs finds something to do."""
    (key,) = create(project_id=project_id)
    store.fire_due(NOON)
    store.move(key, NOON + 3 * HOUR, NOON + 3 * HOUR + MINUTE, NOON)
    store.backfill(key, NOON, NOON, 5, NOON)
    if is_paused:
        store.pause([key], NOON)
    return key


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_in_another_project_finds_no_schedule_and_changes_nothing(verb: str) -> None:
    key = _busy(MINE, is_paused=verb == "resume")
    before = rows()
    for project_id in (1, THEIRS):
        assert not VERBS[verb](key, project_id)
        assert rows() == before
    assert VERBS[verb](key, MINE)
    assert (rows() != before) == (verb != "lock")


def test_the_project_of_a_schedule_is_no_column_that_can_be_changed() -> None:
    (key,) = create(project_id=MINE)
    with pytest.raises(TypeError, match="project_id"):
        store.update(key, {"project_id": THEIRS}, NOON)


def _calendar(project_id: int, *dates: str, name: str = "holidays") -> Calendar:
    return store.create_calendar(NewCalendar(name=name, dates=dates, project_id=project_id), NOON)


def test_a_name_is_another_calendar_in_another_project() -> None:
    _calendar(MINE, TODAY)
    _calendar(THEIRS)
    keeper = {project: create(project_id=project, calendars=["holidays"])[0] for project in (MINE, THEIRS)}
    store.fire_due(NOON)
    assert ledger(keeper[MINE])[0][1] == "SKIPPED"
    assert ledger(keeper[THEIRS]) == [(NOON, "FIRED")]


def test_a_project_has_one_calendar_of_a_name() -> None:
    _calendar(MINE)
    with pytest.raises(errors.CalendarExists):
        _calendar(MINE)


def test_a_process_that_knows_no_projects_is_refused_a_second_calendar_of_a_name() -> None:
    _calendar(1)
    names = "name, description, dates, rrules, revision, created_at, updated_at"
    statement = f"INSERT INTO schedules_calendar ({names}) SELECT {names} FROM schedules_calendar"
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_changed_calendar_moves_the_schedules_of_its_own_project_only() -> None:
    _calendar(MINE)
    _calendar(THEIRS)
    mine, theirs = (create(project_id=one, calendars=["holidays"])[0] for one in (MINE, THEIRS))
    before = get(theirs)
    assert store.update_calendar("holidays", {"dates": [TODAY]}, NOON, project_id=MINE)
    assert get(mine).next_run_at > NOON + 6 * HOUR
    assert TaskSchedule.objects.filter(pk=theirs).values().get() == {
        field.attname: getattr(before, field.attname) for field in TaskSchedule._meta.concrete_fields
    }
    assert Calendar.objects.get(project_id=THEIRS).dates == []


def test_a_calendar_is_in_use_by_the_schedules_of_its_own_project_only() -> None:
    _calendar(MINE)
    _calendar(THEIRS)
    create(project_id=THEIRS, calendars=["holidays"])
    with pytest.raises(errors.CalendarInUse):
        store.delete_calendar("holidays", project_id=THEIRS)
    assert store.delete_calendar("holidays", project_id=MINE)
    assert [one.project_id for one in Calendar.objects.all()] == [THEIRS]


@pytest.mark.parametrize("project_id", [1, THEIRS])
def test_a_calendar_of_another_project_is_not_found(project_id: int) -> None:
    _calendar(MINE)
    (key,) = create(project_id=project_id)
    before = rows()
    assert store.update_calendar("holidays", {"dates": [TODAY]}, NOON, project_id=project_id) is None
    assert not store.delete_calendar("holidays", project_id=project_id)
    with pytest.raises(InvalidRecurrence, match="does not exist"):
        store.create([new(project_id=project_id, calendars=["holidays"])], NOON)
    with pytest.raises(InvalidRecurrence, match="does not exist"):
        store.update(key, {"calendars": ["holidays"]}, NOON)
    assert rows() == before


def test_schedules_of_several_projects_created_at_once_keep_their_own_calendars() -> None:
    calendars = {project: _calendar(project) for project in (MINE, THEIRS)}
    made = store.create([new(project_id=one, calendars=["holidays"]) for one in (THEIRS, MINE)], NOON)
    kept = {schedule.project_id: list(schedule.calendars.all()) for schedule in made}
    assert kept == {project: [calendar] for project, calendar in calendars.items()}


@pytest.mark.parametrize(
    ("index", "read"),
    [
        ("schedule_of_project", lambda: list(queries.schedules_of(MINE).order_by("-pk")[:3])),
        (
            "schedule_next_of_project",
            lambda: list(
                queries.schedules_of(MINE).filter(next_run_at__isnull=False).order_by("next_run_at", "pk")[:3]
            ),
        ),
    ],
)
def test_a_list_of_a_small_project_reads_an_index_of_its_own(index: str, read: Callable[[], Any]) -> None:
    create(300)
    create(3, project_id=MINE)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE schedules_taskschedule")
        if connection.vendor == "postgresql":
            # 300 rows are read at once, 100,000 are not.
            cursor.execute("SET LOCAL enable_seqscan = off")
    prefix = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    plans: list[str] = []

    def explain(execute: Any, statement: str, parameters: Any, many: bool, context: Any) -> Any:
        execute(prefix + statement, parameters, many, context)
        plans.append(str(context["cursor"].fetchall()))
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(explain):
        assert len(read()) == 3
    assert index in plans[0]
