"""Query parameters of the lists of schedules, of their tasks and of their occurrences."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from schedules_app import queries
from schedules_app.models import VERDICTS, Occurrence, TaskSchedule
from tasks_app.filters import InstantFilter, StatusFilter, StatusFormField, TextFilter
from tasks_app.models import Task


def _csv(words: list[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": words}, "collectionFormat": "csv"}


class ScheduleStatusFilter(filters.Filter):
    """Statuses, which are derived and not a column."""

    field_class = StatusFormField
    is_repeatable = True
    schema = _csv([s.value for s in queries.ScheduleStatus])

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(s.value, s.value) for s in queries.ScheduleStatus], **kwargs)

    def filter(self, queryset: QuerySet[TaskSchedule], value: list[str]) -> QuerySet[TaskSchedule]:
        return queries.with_status(queryset, value) if value else queryset


class VerdictFilter(filters.Filter):
    """Verdicts."""

    field_class = StatusFormField
    is_repeatable = True
    schema = _csv(list(VERDICTS))

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lookup_expr="in", choices=[(v, v) for v in VERDICTS], **kwargs)

    def filter(self, queryset: QuerySet[Occurrence], value: list[str]) -> QuerySet[Occurrence]:
        return super().filter(queryset, value) if value else queryset


class ScheduleFilterSet(filters.FilterSet):
    """Filters of GET /task-schedules/."""

    status = ScheduleStatusFilter(help_text="One or several statuses, repeated or between commas.")
    operation = TextFilter(max_length=200, help_text="The exact operation; write + as %2B.")
    queue = TextFilter(max_length=64, help_text="The queue's exact name.")

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

    verdict = VerdictFilter(help_text="One or several verdicts, repeated or between commas.")
    occurs_after = InstantFilter("occurs_at", "gte", help_text="At this time or later.")
    occurs_before = InstantFilter("occurs_at", "lt", help_text="Before this time.")

    class Meta:
        model = Occurrence
        fields: list[str] = []
