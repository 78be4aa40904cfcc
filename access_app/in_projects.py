"""What the admin's lists of rows that belong to projects share: a column with the project's name, and a filter."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.db.models import F, Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from access_app.models import Project
from access_app.principals import DEFAULT_PROJECT

MOST_PROJECTS = 200
"""As many as the filter offers; an address with the id of another works too."""


class ProjectFilter(admin.SimpleListFilter):
    """The projects by name; there is nothing to choose as long as there is one."""

    title = "project"
    parameter_name = "project"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        names = Project.objects.order_by("name").values_list("pk", "name")[:MOST_PROJECTS]
        found = [(str(pk), name) for pk, name in names]
        return found if len(found) > 1 or self.parameter_name in request.GET else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            return queryset.none()
        mine = queryset.filter(of_project=int(value))
        # SQLite uses a partial index for its own words only.
        return mine if int(value) == DEFAULT_PROJECT else mine.exclude(of_project=DEFAULT_PROJECT)


class OwnProjectFilter(ProjectFilter):
    """For lists without InProjects, of rows with a project of their own."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().queryset(request, queryset.annotate(of_project=F("project_id")))


class InProjects(ModelAdmin):
    """A list with the column `project` and, among its filters, ProjectFilter."""

    project_path = "project_id"
    """Where the rows have their project's id."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).annotate(of_project=F(self.project_path))
        name = Project.objects.filter(pk=OuterRef("of_project")).values("name")[:1]
        return rows.annotate(project_name=Subquery(name))

    @admin.display(description="project")
    def project(self, row: Model) -> str:
        """The name of the project that it belongs to."""
        return row.project_name or ""  # type: ignore[attr-defined]
