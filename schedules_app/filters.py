"""Query parameters of the lists of schedules, of their tasks and of their occurrences."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from schedules_app import queries
from schedules_app.models import VERDICTS, Backfill, Calendar, Occurrence, TaskSchedule
from schedules_app.records import Alert, Origin, Reason
from tasks_app.filters import InstantFilter, StatusFilter, TextFilter, list_of
from tasks_app.models import Task
from tasks_app.query_fields import StatusFormField, choice_message


class ScheduleStatusFilter(filters.Filter):
    """Statuses, which are derived and not a column."""

    field_class = StatusFormField
    is_repeatable = True
    schema = list_of([s.value for s in queries.ScheduleStatus])

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(s.value, s.value) for s in queries.ScheduleStatus], **kwargs)

    def filter(self, queryset: QuerySet[TaskSchedule], value: list[str]) -> QuerySet[TaskSchedule]:
        return queries.with_status(queryset, value) if value else queryset


class WordsFilter(filters.Filter):
    """One or several words of a column."""

    field_class = StatusFormField
    is_repeatable = True

    def __init__(self, field_name: str, words: Sequence[str], help_text: str) -> None:
        self.schema = list_of(list(words))
        choices = [(word, word) for word in words]
        super().__init__(field_name, lookup_expr="in", choices=choices, help_text=help_text)

    def filter(self, queryset: QuerySet[Any], value: list[str]) -> QuerySet[Any]:
        return super().filter(queryset, value) if value else queryset


class AlertFilter(filters.ChoiceFilter):
    """Alerts, which are derived and not a column."""

    words = ("true", *(alert.value for alert in Alert))
    schema = {"type": "string", "enum": list(words)}

    def __init__(self, **kwargs: Any) -> None:
        choices = [(word, word) for word in self.words]
        super().__init__(choices=choices, error_messages=choice_message(self.words), **kwargs)

    def filter(self, queryset: QuerySet[TaskSchedule], value: str) -> QuerySet[TaskSchedule]:
        if not value:
            return queryset
        return queries.with_alert(queryset, None if value == "true" else Alert(value))


class ScheduleFilterSet(filters.FilterSet):
    """Filters of GET /task-schedules/."""

    status = ScheduleStatusFilter(help_text="One or several statuses, repeated or between commas.")
    operation = TextFilter(max_length=200, help_text="The exact operation; write + as %2B.")
    queue = TextFilter(max_length=64, help_text="The queue's exact name.")
    alert = AlertFilter(help_text="`true`: with any alert; else with this one.")

    def walked(self) -> QuerySet[TaskSchedule] | None:
        """The schedules among which those that are asked for have to be searched; None where an index knows them."""
        given = self.form.cleaned_data
        is_searched = any(given.get(name) for name in ("status", "operation", "queue"))
        # Without what is read for an answer beside it.
        return self.queryset.prefetch_related(None) if is_searched and not given.get("alert") else None

    class Meta:
        model = TaskSchedule
        fields: list[str] = []


class ScheduleTaskFilterSet(filters.FilterSet):
    """Filters of GET /task-schedules/{id}/tasks/."""

    status = StatusFilter(help_text="One or several statuses, repeated or between commas.")

    class Meta:
        model = Task
        fields: list[str] = []


class OccurrenceFilterSet(filters.FilterSet):
    """Filters of GET /task-schedules/{id}/occurrences/."""

    verdict = WordsFilter("verdict", VERDICTS, "One or several verdicts, repeated or between commas.")
    reason = WordsFilter(
        "reason",
        [reason.value for reason in Reason],
        "One or several reasons of SKIPPED, repeated or between commas.",
    )
    origin = WordsFilter(
        "origin", [origin.value for origin in Origin], "One or several origins, repeated or between commas."
    )
    occurs_after = InstantFilter("occurs_at", "gte", help_text="At this time or later.")
    occurs_before = InstantFilter("occurs_at", "lt", help_text="Before this time.")

    class Meta:
        model = Occurrence
        fields: list[str] = []


class BackfillFilterSet(filters.FilterSet):
    """GET /task-schedules/{id}/backfills/ has no filters: a schedule has few."""

    class Meta:
        model = Backfill
        fields: list[str] = []


class CalendarFilterSet(filters.FilterSet):
    """GET /calendars/ has no filters: there are few."""

    class Meta:
        model = Calendar
        fields: list[str] = []
