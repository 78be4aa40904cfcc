"""Which calendars a schedule keeps."""

from collections.abc import Iterable, Sequence

from schedules_app.models import Calendar, ScheduleCalendar, TaskSchedule
from schedules_app.recurrence import InvalidRecurrence


def named(names: Iterable[str], project_id: int) -> dict[str, Calendar]:
    """A project's calendars of these names, held against change and deletion until the transaction of the caller ends.

    Raises InvalidRecurrence when one does not exist.
    """
    wanted = set(names)
    if not wanted:
        return {}
    # In one order for all: two writers that lock the same calendars must not deadlock.
    mine = Calendar.objects.filter(project_id=project_id, name__in=wanted)
    locked = mine.order_by("name").select_for_update(no_key=True)
    found = {calendar.name: calendar for calendar in locked}
    if missing := sorted(wanted - found.keys()):
        message = f"the calendar {missing[0]!r} does not exist; create it first with POST /calendars/"
        raise InvalidRecurrence("calendars", message)
    return found


def keep(schedule: TaskSchedule, calendars: Sequence[Calendar]) -> None:
    """Let a stored schedule keep these calendars and no others."""
    ScheduleCalendar.objects.filter(task_schedule=schedule).exclude(calendar__in=calendars).delete()
    add([(schedule, calendar) for calendar in calendars])
    # What a caller has prefetched is no longer so.
    getattr(schedule, "_prefetched_objects_cache", {}).pop("calendars", None)


def add(pairs: Sequence[tuple[TaskSchedule, Calendar]]) -> None:
    """Let stored schedules keep calendars; a pair that exists already stays."""
    rows = [ScheduleCalendar(task_schedule=schedule, calendar=calendar) for schedule, calendar in pairs]
    ScheduleCalendar.objects.bulk_create(rows, ignore_conflicts=True)
