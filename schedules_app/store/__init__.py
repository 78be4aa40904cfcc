"""The only writer of task schedules, their occurrences, calendars and backfills.

`now` is for tests and defaults to the database's clock. Verbs on a schedule that does not exist change
nothing and say so; InvalidRecurrence is the one error of their own.
"""

from schedules_app.store.editing import EDITABLE, create, delete, lock, pause, resume, update
from schedules_app.store.ticking import fire_due

__all__ = ["EDITABLE", "create", "delete", "fire_due", "lock", "pause", "resume", "update"]
