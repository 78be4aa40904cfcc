"""The only writer of task schedules, their occurrences, calendars and backfills.

`now` is for tests and defaults to the database's clock. Verbs on a schedule that does not exist, or not in the project
that `project_id` names (None: in any), change nothing and say so. A calendar's name is one of a project. Errors are
InvalidRecurrence and those of `schedules_app.errors`.
"""

from schedules_app.store.actions import move, restore, skip_next
from schedules_app.store.backfills import backfill, cancel_backfill, plan_backfill, work_backfills
from schedules_app.store.calendars import create_calendar, delete_calendar, update_calendar
from schedules_app.store.editing import EDITABLE, create, delete, lock, update
from schedules_app.store.expectations import check_success
from schedules_app.store.outcomes import settle
from schedules_app.store.pausing import pause, resume
from schedules_app.store.ticking import fire_due
from schedules_app.store.triggering import Triggered, trigger
from schedules_app.store.upkeep import PRUNE_SLICE, mend, prune_ledger

__all__ = [
    "EDITABLE",
    "PRUNE_SLICE",
    "Triggered",
    "backfill",
    "cancel_backfill",
    "check_success",
    "create",
    "create_calendar",
    "delete",
    "delete_calendar",
    "fire_due",
    "lock",
    "mend",
    "move",
    "pause",
    "plan_backfill",
    "prune_ledger",
    "restore",
    "resume",
    "settle",
    "skip_next",
    "trigger",
    "update",
    "update_calendar",
    "work_backfills",
]
