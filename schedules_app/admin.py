"""Schedules for operators: find them, see what they did and will do, act on them. Nothing is edited by hand."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.options import ModelAdmin
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from access_app import audit
from access_app.in_projects import InProjects, ProjectFilter
from schedules_app import queries, recurrence, store
from schedules_app.errors import ScheduleError
from schedules_app.firing import shown_rule_of
from schedules_app.models import Backfill, Calendar, Occurrence, TaskSchedule
from schedules_app.records import Alert
from schedules_app.recurrence import InvalidRecurrence
from tasks_app.admin import ACTION_SLICE, QueueFilter, StoreAdmin


class StatusFilter(admin.SimpleListFilter):
    """The status is derived from the row, so it needs a filter of its own."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(status.value, status.value) for status in queries.ScheduleStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TaskSchedule]) -> QuerySet[TaskSchedule]:
        value = self.value()
        return queries.with_status(queryset, [value]) if value in dict(self.lookup_choices) else queryset


class AlertFilter(admin.SimpleListFilter):
    """Alerts are derived from the row, too."""

    title = "alert"
    parameter_name = "alert"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("any", "any"), *((alert.value, alert.value) for alert in Alert)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TaskSchedule]) -> QuerySet[TaskSchedule]:
        value = self.value()
        if value not in dict(self.lookup_choices):
            return queryset
        return queries.with_alert(queryset, None if value == "any" else Alert(value))


@admin.register(TaskSchedule)
class TaskScheduleAdmin(InProjects, StoreAdmin):
    """The list of task schedules, newest first."""

    heavy = ("arguments", "buffered")
    list_display = (
        "task_schedule_id",
        "project",
        "name",
        "operation",
        "recurrence",
        "status",
        "alerts",
        "next_run_at",
        "last_run_at",
        "tasks_created",
    )
    # Ordering by any other column would sort the whole table.
    sortable_by = ()
    ordering = ("-task_schedule_id",)
    list_filter = (ProjectFilter, StatusFilter, AlertFilter, QueueFilter)
    search_fields = ("name",)
    search_help_text = "A schedule's id, or the beginning of its name or operation"
    actions = ("trigger_schedules", "pause_schedules", "resume_schedules")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskSchedule]:
        return queries.with_names_of_calendars(super().get_queryset(request))

    @admin.display(description="recurrence")
    def recurrence(self, schedule: TaskSchedule) -> str:
        """When it occurs, in words."""
        try:
            return recurrence.describe(shown_rule_of(schedule))
        except InvalidRecurrence as error:
            return f"cannot be followed: {error}"

    @admin.display(description="status")
    def status(self, schedule: TaskSchedule) -> str:
        """Where the schedule stands."""
        return queries.status_of(schedule).value

    @admin.display(description="alerts")
    def alerts(self, schedule: TaskSchedule) -> str:
        """What needs attention."""
        return ", ".join(alert.value for alert in queries.alerts_of(schedule))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskSchedule], search_term: str
    ) -> tuple[QuerySet[TaskSchedule], bool]:
        return _search(queryset, search_term.strip()), False

    @admin.action(description="Run now", permissions=["operate"])
    def trigger_schedules(self, request: HttpRequest, queryset: QuerySet[TaskSchedule]) -> None:
        """Create a task of each chosen schedule now."""
        self._act(request, queryset, lambda ids: _each(store.trigger, ids), "trigger", "triggered")

    @admin.action(description="Pause", permissions=["operate"])
    def pause_schedules(self, request: HttpRequest, queryset: QuerySet[TaskSchedule]) -> None:
        """Pause the chosen schedules that are active."""
        self._act(request, queryset, store.pause, "pause", "paused")

    @admin.action(description="Resume", permissions=["operate"])
    def resume_schedules(self, request: HttpRequest, queryset: QuerySet[TaskSchedule]) -> None:
        """Let the chosen schedules that are paused go on with their next occurrence."""
        verb = partial(_each, lambda key: store.resume([key]))
        self._act(request, queryset, verb, "resume", "resumed")

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[TaskSchedule],
        verb: Callable[[list[UUID]], set[UUID]],
        action: str,
        deed: str,
    ) -> None:
        projects = dict(queryset.values_list("task_schedule_id", "project_id")[:ACTION_SLICE])
        ids = list(projects)
        with transaction.atomic():
            done = verb(ids)
            audit.record_by_project(
                audit.person_of(request), projects, f"schedule.{action}", "schedule", done
            )
        changed = len(done)
        left = f" {len(ids) - changed} left alone." if changed < len(ids) else ""
        level = messages.SUCCESS if changed else messages.WARNING
        self.message_user(request, f"{changed} of {len(ids)} schedules {deed}.{left}", level)


def _each(verb: Callable[[UUID], Any], ids: list[UUID]) -> set[UUID]:
    changed = set()
    for key in ids:
        try:
            if verb(key):
                changed.add(key)
        except (InvalidRecurrence, ScheduleError):
            # Such as one that was paused because its rule cannot be followed; the others must go on.
            continue
    return changed


def _search(schedules: QuerySet[TaskSchedule], term: str) -> QuerySet[TaskSchedule]:
    if not term:
        return schedules
    if "\0" in term:
        return schedules.none()
    try:
        return schedules.filter(task_schedule_id=UUID(term))
    except ValueError:
        return schedules.filter(Q(name__startswith=term) | Q(operation__startswith=term))


class OfScheduleAdmin(StoreAdmin):
    """Rows of schedules, which are found by the schedule's id."""

    sortable_by = ()
    search_fields = ("task_schedule_id",)
    search_help_text = "A schedule's id"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        try:
            return (queryset.filter(task_schedule_id=UUID(search_term)) if search_term else queryset), False
        except ValueError:
            return queryset.none(), False


@admin.register(Occurrence)
class OccurrenceAdmin(OfScheduleAdmin):
    """The ledger, the latest entries first."""

    list_display = (
        "occurs_at",
        "verdict",
        "reason",
        "origin",
        "count",
        "task_schedule_id",
        "task_id",
        "task_status",
        "decided_at",
    )
    ordering = ("-id",)
    list_filter = ("verdict", "origin")


@admin.register(Backfill)
class BackfillAdmin(InProjects, OfScheduleAdmin):
    """Backfills, newest first."""

    project_path = "task_schedule__project_id"

    list_display = (
        "backfill_id",
        "project",
        "task_schedule_id",
        "range_from",
        "range_to",
        "status",
        "total",
        "tasks_created",
        "already_fired",
        "created_at",
    )
    ordering = ("-backfill_id",)
    list_filter = (ProjectFilter, "status")


@admin.register(Calendar)
class CalendarAdmin(InProjects, StoreAdmin):
    """Calendars, by name."""

    heavy = ("dates", "rrules")
    list_display = ("name", "project", "description", "revision", "updated_at")
    list_filter = (ProjectFilter,)
    sortable_by = ()
    ordering = ("name",)
    search_fields = ("name__startswith",)
    search_help_text = "The beginning of a name"
