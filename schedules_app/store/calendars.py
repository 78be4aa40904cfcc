"""Calendars: create, change, delete."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schedules_app.models import Calendar
from schedules_app.records import NewCalendar


def create_calendar(new: NewCalendar, now: datetime | None = None) -> Calendar:
    """Store a calendar; raises CalendarExists and InvalidRecurrence."""
    raise NotImplementedError


def update_calendar(name: str, changes: Mapping[str, Any], now: datetime | None = None) -> Calendar | None:
    """Change a calendar."""
    raise NotImplementedError


def delete_calendar(name: str) -> bool:
    """Remove a calendar; raises CalendarInUse."""
    raise NotImplementedError
