"""What a request may say of a schedule's recurrence and policies: the fields alone; `rules` checks them together."""

from enum import StrEnum
from typing import Any

from rest_framework import serializers

from schedules_app.fields import (
    CalendarNameField,
    CronField,
    DayOrTimeField,
    RRuleField,
    TimeOfDayField,
    WordsField,
    ZoneField,
)
from schedules_app.records import Overlap
from schedules_app.recurrence import CatchUp, Fold, Gap, Roll
from tasks_app.fields import (
    InstantField,
    StrictChoiceField,
    StrictFloatField,
    StrictIntegerField,
)

DAY_SECONDS = 86_400
YEAR_SECONDS = 365 * DAY_SECONDS

MAX_RRULE_LENGTH = 4000
MAX_EXCLUDED_DATES = 1000
MAX_CALENDARS = 10


def _count(most: int, help_text: str, **options: Any) -> StrictIntegerField:
    """A whole number from 1; null unless it is given."""
    options = {"min_value": 1, "allow_null": True, "default": None, **options}
    return StrictIntegerField(max_value=most, help_text=help_text, **options)


def _word(words: type[StrEnum], first: str, help_text: str) -> StrictChoiceField:
    return StrictChoiceField([word.value for word in words], default=first, help_text=help_text)


def _seconds(least: float, most: float, help_text: str) -> StrictFloatField:
    return StrictFloatField(
        min_value=least, max_value=most, allow_null=True, default=None, help_text=help_text
    )


class RecurrenceFields(serializers.Serializer):
    """When a schedule occurs."""

    every_x_days = _count(
        36_525, "Calendar days at the same wall-clock time in `timezone`; the four intervals add up."
    )
    every_x_hours = _count(876_600, "Elapsed hours.")
    every_x_minutes = _count(52_596_000, "Elapsed minutes.")
    every_x_seconds = _count(2**31 - 1, "Elapsed seconds.")
    cron = CronField(
        max_length=200,
        allow_null=True,
        default=None,
        help_text="Five fields, as of Debian's cron, or a word such as @daily; in place of the intervals.",
    )
    rrule = RRuleField(
        max_length=MAX_RRULE_LENGTH,
        allow_null=True,
        default=None,
        help_text="RFC 5545: lines of RRULE, RDATE, EXRULE, EXDATE; in place of intervals and cron. A DTSTART "
        "line sets `starts_at` and `timezone` and is not kept.",
    )
    timezone = ZoneField(max_length=64, default="UTC", help_text="IANA name of the zone that it follows.")
    starts_at = InstantField(
        required=False,
        allow_null=True,
        help_text="The anchor of intervals and rrule, and no occurrence before it; if null or left out: now.",
    )
    ends_at = InstantField(
        allow_null=True, default=None, help_text="No occurrence after this time; one at it still counts."
    )
    schedule_x_times = _count(
        2**31 - 1,
        "How many tasks it creates at most. Skipped occurrences, manual runs and backfills do not count. "
        "null: no limit.",
    )
    gap = _word(
        Gap, Gap.SHIFT, "A wall-clock time that does not exist on a day: moved behind it, or skipped."
    )
    fold = _word(Fold, Fold.FIRST, "A wall-clock time that exists twice on a day: which of the two.")
    excluded_dates = WordsField(
        child=DayOrTimeField(max_length=40),
        max_length=MAX_EXCLUDED_DATES,
        default=list,
        help_text="Whole days of `timezone` (2030-12-24) or single times with an offset; they do not fire.",
    )
    calendars = WordsField(
        child=CalendarNameField(max_length=64),
        max_length=MAX_CALENDARS,
        default=list,
        help_text="Names of calendars of its project, whose days are no working days.",
    )
    roll = _word(Roll, Roll.SKIP, "What becomes of an occurrence on a day of a calendar.")
    jitter_seconds = StrictIntegerField(
        min_value=0,
        max_value=DAY_SECONDS,
        default=0,
        help_text="Each task starts up to so many seconds later, the same for one occurrence at every time. No "
        "more than lies between two occurrences.",
    )


class PolicyFields(serializers.Serializer):
    """What becomes of occurrences that are missed, overlap or fail."""

    catch_up = _word(CatchUp, CatchUp.LATEST, "Which of the missed occurrences are fired late.")
    catch_up_window_seconds = _seconds(
        0, 10 * YEAR_SECONDS, "Missed ones further back are not fired; null: CATCH_UP_WINDOW_SECONDS."
    )
    catch_up_limit = _count(
        1000, "Most occurrences fired at once; the newest are kept.", default=100, allow_null=False
    )
    overlap = _word(Overlap, Overlap.ALLOW, "What an occurrence does while an earlier task has not finished.")
    expires_after_seconds = _seconds(
        0.001, YEAR_SECONDS, "Tasks that have not started so long after their time expire; null: never."
    )
    alert_after_failures = _count(
        1000, "From so many failed tasks in a row on, its alerts say `failing`; null: never."
    )
    expect_success_by = TimeOfDayField(
        max_length=5,
        allow_null=True,
        default=None,
        help_text="HH:MM in `timezone`, by which a task of the day has to have succeeded, or its alerts say "
        "`success_overdue`; null: none.",
    )
