"""What the store of schedules refuses, each with a code and a message that says what to do."""


class ScheduleError(Exception):
    """Something that was asked for cannot be."""

    code = "schedule_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class StaleRevision(ScheduleError):
    """Somebody else changed the schedule since; `revision` is what it has now."""

    code = "stale_revision"

    def __init__(self, revision: int) -> None:
        super().__init__(
            f"Somebody changed the schedule in the meantime, it has revision {revision} now; "
            "read it again, and repeat your change if it still makes sense."
        )
        self.revision = revision


class NoSuchOccurrence(ScheduleError):
    """The schedule has no such occurrence, or its verdict has fallen."""

    code = "no_such_occurrence"


class TooManyOverrides(ScheduleError):
    """More occurrences of one schedule are moved or skipped by hand than are kept."""

    code = "too_many_overrides"


class TooManyOccurrences(ScheduleError):
    """A backfill's range holds more occurrences than one backfill may have."""

    code = "too_many_occurrences"


class CalendarExists(ScheduleError):
    """There is a calendar of this name already."""

    code = "calendar_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a calendar {name!r} already; change that one, or choose another name.")


class CalendarInUse(ScheduleError):
    """Schedules keep the calendar's days; `schedules` says how many."""

    code = "calendar_in_use"

    def __init__(self, name: str, schedules: int) -> None:
        uses = "1 schedule uses" if schedules == 1 else f"{schedules} schedules use"
        super().__init__(f"{uses} the calendar {name!r}; take it out of their `calendars` first.")
        self.schedules = schedules


class CalendarBusy(ScheduleError):
    """Schedules began to keep the calendar faster than it could be locked together with all that keep it."""

    code = "calendar_busy"

    def __init__(self, name: str) -> None:
        super().__init__(f"Schedules are just being added to the calendar {name!r}; repeat the change.")
