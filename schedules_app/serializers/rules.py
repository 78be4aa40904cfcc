"""From the fields of a request to a rule that can be followed, or to what is wrong with which field."""

import copy
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from rest_framework.exceptions import ErrorDetail, ValidationError

from schedules_app import queries, recurrence
from schedules_app.fields import faults_at
from schedules_app.firing import rule_of
from schedules_app.models import KINDS, Calendar, TaskSchedule
from schedules_app.recurrence import InvalidRecurrence, Rule, known_zones
from schedules_app.recurrence.rrule_parsing import parse
from schedules_app.recurrence.rrules import check_exceptions
from tasks_app.fields import YEARS

RULE_FIELDS = (
    *KINDS,
    "timezone",
    "starts_at",
    "ends_at",
    "gap",
    "fold",
    "excluded_dates",
    "calendars",
    "roll",
    "jitter_seconds",
)
_LOOKED_AT = 10
"""Occurrences that the jitter is compared with: cron and RRULE have no fixed step."""

_DTSTART = re.compile(r"DTSTART\s*[;:]", re.IGNORECASE)


def fault(field: str, message: str, code: str = "invalid_recurrence") -> ValidationError:
    """What is wrong with one field."""
    return ValidationError({field: [ErrorDetail(message, code=code)]})


def as_validation_error(error: InvalidRecurrence) -> ValidationError:
    """The fault of a rule as that of a request's field."""
    return fault(error.field, error.message)


def checked_rule(attrs: Mapping[str, Any], schedule: TaskSchedule | None, project_id: int) -> Rule:
    """The rule of these fields, on top of the schedule's own when one is changed; raises ValidationError.

    The project is the one whose calendars they name.
    """
    draft = _draft(attrs, schedule)
    if not any(getattr(draft, name) for name in KINDS):
        message = f"A schedule needs a recurrence: one or more of {', '.join(KINDS[:4])}, or cron, or rrule."
        raise fault(KINDS[0], message, "recurrence_required")
    calendars = _calendars(attrs["calendars"], project_id) if "calendars" in attrs else None
    if calendars is None and schedule is None:
        calendars = []
    try:
        rule = rule_of(draft, calendars)
        if rule.rrule is not None:
            check_exceptions(rule.rrule)
        _check_jitter(rule, draft.jitter_seconds)
    except InvalidRecurrence as error:
        raise as_validation_error(error) from None
    return rule


def _draft(attrs: Mapping[str, Any], schedule: TaskSchedule | None) -> TaskSchedule:
    draft = copy.copy(schedule) if schedule is not None else TaskSchedule()
    for name in RULE_FIELDS:
        if name in attrs and name != "calendars":
            setattr(draft, name, attrs[name])
    draft.starts_at = draft.starts_at or datetime.now(UTC)
    return draft


def _calendars(names: list[str], project_id: int) -> list[Calendar]:
    found = {calendar.name: calendar for calendar in queries.calendars_named(names, project_id)}
    unknown = [index for index, name in enumerate(names) if name not in found]
    if unknown:
        message = "There is no such calendar; create it first."
        raise ValidationError({"calendars": faults_at(unknown, message, "unknown_calendar")})
    return list(found.values())


def _check_jitter(rule: Rule, seconds: int) -> None:
    # Taken in any case: a rule that can only fail while it is followed must not get as far as a tick.
    times = [item.at for item in islice(recurrence.upcoming(rule, rule.starts_at), _LOOKED_AT)]
    shortest = min((later - earlier for earlier, later in pairwise(times)), default=None)
    if seconds and shortest is not None and seconds > shortest.total_seconds():
        message = (
            f"is more than the {shortest.total_seconds():g} seconds between two occurrences; use at most that"
        )
        raise InvalidRecurrence("jitter_seconds", message)


def without_dtstart(attrs: Mapping[str, Any], given: Mapping[str, Any], timezone: str) -> dict[str, Any]:
    """The fields with a DTSTART line of `rrule` turned into `starts_at` and `timezone`; raises ValidationError.

    `given` is the request as it was sent, without defaults; `timezone` is what a DTSTART without one is read in.
    """
    try:
        parsed = parse(attrs["rrule"]) if attrs.get("rrule") else None
    except InvalidRecurrence as error:
        raise as_validation_error(error) from None
    if parsed is None or parsed.dtstart is None:
        return dict(attrs)
    start = _instant(parsed.dtstart, timezone)
    if given.get("starts_at") is not None and attrs["starts_at"] != start:
        raise fault("starts_at", "differs from the DTSTART line of rrule; give one of them")
    if "timezone" in given and parsed.timezone and attrs["timezone"] != parsed.timezone:
        raise fault("timezone", "differs from the TZID of rrule's DTSTART line; give one of them")
    named = {"timezone": parsed.timezone} if parsed.timezone else {}
    return {**attrs, "rrule": _other_lines(attrs["rrule"]), "starts_at": start, **named}


def _instant(dtstart: datetime, timezone: str) -> datetime:
    if dtstart.year not in YEARS:
        raise fault("rrule", f"has a DTSTART outside of the years {YEARS[0]} to {YEARS[-1]}")
    if dtstart.tzinfo is None:
        if timezone not in known_zones():
            raise fault("timezone", f"{timezone!r} is no IANA zone; use one like Europe/Berlin")
        dtstart = dtstart.replace(tzinfo=ZoneInfo(timezone))
    # RFC 5545, 3.3.5: in a gap with the offset before it, in a fold the first of the two.
    return dtstart.astimezone(UTC)


def _other_lines(text: str) -> str:
    unfolded = re.sub(r"(?:\r\n?|\n)[ \t]", "", text)  # RFC 5545, 3.1: folded lines
    lines = (line.strip() for line in re.split(r"\r\n?|\n", unfolded))
    return "\n".join(line for line in lines if line and not _DTSTART.match(line))
