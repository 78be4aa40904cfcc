"""Calendars."""

from typing import Any

from scheduler_service.swagger import LOCATION, answer
from schedules_app.documentation.common import CALENDARS, CalendarPage, conflict, page, wrong_field
from schedules_app.examples import CALENDAR
from schedules_app.serializers import CalendarChangesSerializer, CalendarSerializer, NewCalendarSerializer
from tasks_app.documentation import SHORT_OF_LARGE_ROWS

_NO_DATE = wrong_field("dates", "'2030-02-30' is no date; write it as 2030-12-25")
_EFFECT = "takes effect at once in every schedule that uses it, and never fires the past"

LIST_CALENDARS: dict[str, Any] = {
    "operation_id": "calendars_list",
    "operation_summary": "List calendars",
    "operation_description": f"By name. {SHORT_OF_LARGE_ROWS}",
    "responses": {200: answer("A page.", CalendarPage, page(CALENDAR))},
    "tags": CALENDARS,
}
CREATE_CALENDAR: dict[str, Any] = {
    "operation_id": "calendars_create",
    "operation_summary": "Create a calendar",
    "operation_description": (
        "A named set of days that are no working days. A schedule names it in `calendars`, and says in `roll` what "
        "becomes of an occurrence on such a day."
    ),
    "request_body": NewCalendarSerializer,
    "responses": {
        201: answer("The calendar.", CalendarSerializer, CALENDAR, headers=LOCATION),
        400: _NO_DATE,
        409: conflict(
            "There is a calendar de-holidays already; change it, or choose another name.", "calendar_exists"
        ),
    },
    "tags": CALENDARS,
}
READ_CALENDAR: dict[str, Any] = {
    "operation_id": "calendars_read",
    "operation_summary": "Read a calendar",
    "responses": {200: answer("The calendar.", CalendarSerializer, CALENDAR)},
    "tags": CALENDARS,
}
CHANGE_CALENDAR: dict[str, Any] = {
    "operation_id": "calendars_update",
    "operation_summary": "Change a calendar",
    "operation_description": f"Only the fields that are given; a list replaces the old one. It {_EFFECT}.",
    "request_body": CalendarChangesSerializer,
    "responses": {
        200: answer(
            "The calendar.",
            CalendarSerializer,
            {**CALENDAR, "dates": ["2030-12-24", "2030-12-25"], "revision": 2},
        ),
        400: _NO_DATE,
    },
    "tags": CALENDARS,
}
DELETE_CALENDAR: dict[str, Any] = {
    "operation_id": "calendars_delete",
    "operation_summary": "Delete a calendar",
    "responses": {
        204: "It is gone.",
        409: conflict(
            "Schedules use this calendar; take it out of their `calendars` first.", "calendar_in_use"
        ),
    },
    "tags": CALENDARS,
}
