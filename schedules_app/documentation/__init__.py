"""What /swagger/ says about the addresses of schedules: summaries, answers, and an example of each."""

from schedules_app.documentation.actions import (
    CANCEL_BACKFILL,
    CREATE_BACKFILL,
    LIST_BACKFILLS,
    MOVE_OCCURRENCE,
    PAUSE_SCHEDULE,
    READ_BACKFILL,
    RESTORE_OCCURRENCE,
    RESUME_SCHEDULE,
    SKIP_NEXT,
    TRIGGER_SCHEDULE,
)
from schedules_app.documentation.calendars import (
    CHANGE_CALENDAR,
    CREATE_CALENDAR,
    DELETE_CALENDAR,
    LIST_CALENDARS,
    READ_CALENDAR,
)
from schedules_app.documentation.previews import FORECAST, PREVIEW_NEW, PREVIEW_SCHEDULE
from schedules_app.documentation.schedules import (
    CHANGE_SCHEDULE,
    CREATE_SCHEDULE,
    DELETE_SCHEDULE,
    LIST_OCCURRENCES,
    LIST_SCHEDULES,
    LIST_TASKS,
    READ_SCHEDULE,
)

__all__ = [
    "CANCEL_BACKFILL",
    "CHANGE_CALENDAR",
    "CHANGE_SCHEDULE",
    "CREATE_BACKFILL",
    "CREATE_CALENDAR",
    "CREATE_SCHEDULE",
    "DELETE_CALENDAR",
    "DELETE_SCHEDULE",
    "FORECAST",
    "LIST_BACKFILLS",
    "LIST_CALENDARS",
    "LIST_OCCURRENCES",
    "LIST_SCHEDULES",
    "LIST_TASKS",
    "MOVE_OCCURRENCE",
    "PAUSE_SCHEDULE",
    "PREVIEW_NEW",
    "PREVIEW_SCHEDULE",
    "READ_BACKFILL",
    "READ_CALENDAR",
    "READ_SCHEDULE",
    "RESTORE_OCCURRENCE",
    "RESUME_SCHEDULE",
    "SKIP_NEXT",
    "TRIGGER_SCHEDULE",
]
