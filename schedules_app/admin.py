"""Task schedules for operators: find them, look at their occurrences, pause and resume. Nothing is edited by hand."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.options import ModelAdmin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from schedules_app import queries, store
from schedules_app.models import Occurrence, TaskSchedule
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


@admin.register(TaskSchedule)
class TaskScheduleAdmin(StoreAdmin):
    """The list of task schedules, newest first."""

    list_display = (
        "task_schedule_id",
        "name",
        "operation",
        "status",
        "every_x_days",
        "every_x_hours",
        "next_run_at",
        "last_run_at",
        "tasks_created",
    )
    # Ordering by any other column would sort the whole table.
    sortable_by = ()
    ordering = ("-task_schedule_id",)
    list_filter = (StatusFilter, QueueFilter)
    search_fields = ("name",)
    search_help_text = "A schedule's id, or the beginning of its name or operation"
    actions = ("pause_schedules", "resume_schedules")

    @admin.display(description="status")
    def status(self, schedule: TaskSchedule) -> str:
        """Where the schedule stands."""
        return queries.status_of(schedule).value

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskSchedule], search_term: str
    ) -> tuple[QuerySet[TaskSchedule], bool]:
        return _search(queryset, search_term.strip()), False

    @admin.action(description="Pause", permissions=["operate"])
    def pause_schedules(self, request: HttpRequest, queryset: QuerySet[TaskSchedule]) -> None:
        """Pause the chosen schedules that are active."""
        self._act(request, queryset, store.pause, "paused")

    @admin.action(description="Resume", permissions=["operate"])
    def resume_schedules(self, request: HttpRequest, queryset: QuerySet[TaskSchedule]) -> None:
        """Let the chosen schedules that are paused go on with their next occurrence."""
        self._act(request, queryset, _resume_each, "resumed")

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[TaskSchedule],
        verb: Callable[[list[UUID]], set[UUID]],
        deed: str,
    ) -> None:
        ids = list(queryset.values_list("task_schedule_id", flat=True)[:ACTION_SLICE])
        changed = len(verb(ids))
        left = f" {len(ids) - changed} left alone." if changed < len(ids) else ""
        level = messages.SUCCESS if changed else messages.WARNING
        self.message_user(request, f"{changed} of {len(ids)} schedules {deed}.{left}", level)


def _resume_each(ids: list[UUID]) -> set[UUID]:
    resumed: set[UUID] = set()
    for key in ids:
        try:
            resumed |= store.resume([key])
        except InvalidRecurrence:
            # Paused because its rule cannot be followed; its note says so, and the others must go on.
            continue
    return resumed


def _search(schedules: QuerySet[TaskSchedule], term: str) -> QuerySet[TaskSchedule]:
    if not term:
        return schedules
    if "\0" in term:
        return schedules.none()
    try:
        return schedules.filter(task_schedule_id=UUID(term))
    except ValueError:
        return schedules.filter(Q(name__startswith=term) | Q(operation__startswith=term))


@admin.register(Occurrence)
class OccurrenceAdmin(StoreAdmin):
    """The ledger, the latest entries first."""

    list_display = ("occurs_at", "verdict", "reason", "count", "task_schedule_id", "task_id", "decided_at")
    sortable_by = ()
    ordering = ("-id",)
    list_filter = ("verdict",)
    search_fields = ("task_schedule_id",)
    search_help_text = "A schedule's id"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Occurrence], search_term: str
    ) -> tuple[QuerySet[Occurrence], bool]:
        try:
            return (queryset.filter(task_schedule_id=UUID(search_term)) if search_term else queryset), False
        except ValueError:
            return queryset.none(), False
