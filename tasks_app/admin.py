"""Tasks for operators: find them, look at their attempts, cancel and repeat them. Nothing is edited by hand."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.options import ModelAdmin
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from access_app import audit
from access_app.in_projects import InProjects, ProjectFilter
from access_app.read_only import LONGEST_LIST, ReadOnlyAdmin
from tasks_app import store
from tasks_app.models import Attempt, Callback, Task
from tasks_app.operations import registered
from tasks_app.queries import HEAVY

ACTION_SLICE = 1000


class PriorityFilter(admin.SimpleListFilter):
    """The usual filter would look through the whole table for the values that exist."""

    title = "priority"
    parameter_name = "priority"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(str(number), str(number)) for number in range(10)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        value = self.value()
        return queryset.filter(priority=value) if value in dict(self.lookup_choices) else queryset


class QueueFilter(admin.SimpleListFilter):
    """The queues that the configuration and the operations name; the search finds tasks of others."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        of_operations = {known.queue for known in registered() if known.queue}
        return [(name, name) for name in sorted({"tasks", *settings.CONFIG.dedicated_queues, *of_operations})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        value = self.value()
        return queryset.filter(queue=value) if value in dict(self.lookup_choices) else queryset


class StoreAdmin(ReadOnlyAdmin):
    """An admin for rows that only a store writes: it shows, and acts through the store."""

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether this person may use the actions: whoever may change such rows."""
        name = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return request.user.has_perm(name)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_operate_permission(request)


class StoredInline(admin.TabularInline):
    """Rows of a task that only the store writes."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("tasks_app.view_task")


class AttemptInline(StoredInline):
    """The attempts that have ended; the running one stands in the task itself."""

    model = Attempt
    fields = ("number", "outcome", "worker", "started_at", "finished_at", "runtime_seconds", "error")
    readonly_fields = fields
    ordering = ("fence",)


class CallbackInline(StoredInline):
    """Who was told of the task's end, and by which tasks: their ids lead to them by the search."""

    model = Callback
    fields = ("number", "ended_at", "delivery_task_id")
    readonly_fields = fields
    ordering = ("number",)


@admin.register(Task)
class TaskAdmin(InProjects, StoreAdmin):
    """The list of tasks, newest first."""

    heavy = HEAVY
    list_display = (
        "task_id",
        "project",
        "operation",
        "status",
        "priority",
        "queue",
        "attempt",
        "created_at",
        "finished_at",
    )
    # Ordering by any other column would sort the whole table.
    sortable_by = ()
    ordering = ("-task_id",)
    list_filter = (ProjectFilter, "status", PriorityFilter, QueueFilter)
    search_fields = ("operation",)
    search_help_text = "A task's or schedule's id, the beginning of an operation, or queue:NAME"
    inlines = (AttemptInline, CallbackInline)
    actions = ("cancel_tasks", "retry_tasks")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        return _search(queryset, search_term.strip()), False

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_tasks(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """Cancel the chosen tasks that have not finished."""
        projects = dict(queryset.values_list("task_id", "project_id")[:LONGEST_LIST])
        ids = list(projects)
        slices = [ids[start : start + ACTION_SLICE] for start in range(0, len(ids), ACTION_SLICE)]
        changed = sum(_cancel(request, part, projects) for part in slices)
        self._tell(request, changed, len(ids), "cancelled or asked to stop", "finished before")

    @admin.action(description="Repeat", permissions=["operate"])
    def retry_tasks(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """Repeat the chosen tasks that have finished, as new tasks."""
        ids = list(queryset.values_list("task_id", flat=True)[:ACTION_SLICE])
        repeated = sum(_retry(request, task_id) for task_id in ids)
        self._tell(request, repeated, len(ids), "repeated as new tasks", "not finished yet")

    def _tell(self, request: HttpRequest, changed: int, chosen: int, deed: str, reason: str) -> None:
        left = f" {chosen - changed} left alone: {reason}." if changed < chosen else ""
        level = messages.SUCCESS if changed else messages.WARNING
        self.message_user(request, f"{changed} of {chosen} tasks {deed}.{left}", level)


def _cancel(request: HttpRequest, ids: list[UUID], projects: dict[UUID, int]) -> int:
    with transaction.atomic():
        cancelled = store.cancel(ids)
        audit.record_by_project(audit.person_of(request), projects, "task.cancel", "task", cancelled)
    return len(cancelled)


def _retry(request: HttpRequest, task_id: UUID) -> bool:
    with transaction.atomic():
        task = store.retry(task_id)
        if task is not None:
            actor = audit.person_of(request)
            audit.record(actor, task.project_id, "task.retry", "task", [task.task_id], retry_of=task_id)
    return task is not None


def _search(tasks: QuerySet[Task], term: str) -> QuerySet[Task]:
    if not term:
        return tasks
    if term.startswith("queue:"):
        return tasks.filter(queue=term.removeprefix("queue:"))
    try:
        key = UUID(term)
    except ValueError:
        return tasks.filter(operation__startswith=term)
    return tasks.filter(Q(task_id=key) | Q(task_schedule=key))
