"""Query parameters of lists: each is checked, and one that is unknown, empty or repeated is refused."""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django_filters import rest_framework as filters
from rest_framework.request import Request
from rest_framework.serializers import ErrorDetail
from rest_framework.views import APIView

from access_app.principals import DEFAULT_PROJECT
from scheduler_service.errors import QueryError
from tasks_app import batch_ids, queries
from tasks_app.fields import INSTANT_SCHEMA
from tasks_app.ids import CLOCKS_DIFFER, first_id
from tasks_app.lifecycle import TERMINAL, Status
from tasks_app.models import Task
from tasks_app.query_fields import (
    MOST_IDS,
    IdsFormField,
    InstantFormField,
    IntegerFormField,
    StatusFormField,
    UUIDFormField,
)


def check_parameters(given: QueryDict, known: Iterable[str], repeatable: Iterable[str] = ()) -> None:
    """Raise QueryError for parameters that are unknown, empty or given more than once."""
    known, repeatable = sorted(known), set(repeatable)
    faults: dict[str, list[ErrorDetail]] = {}
    for name, values in given.lists():
        if name not in known:
            advice = f"use only: {', '.join(known)}" if known else "this address takes none"
            message = f"There is no such parameter; {advice}."
            faults[name] = [ErrorDetail(message, code="unknown_parameter")]
        elif len(values) > 1 and name not in repeatable:
            faults[name] = [ErrorDetail("Give this parameter once.", code="repeated")]
        elif not all(value.strip() for value in values):
            faults[name] = [ErrorDetail("Give this parameter a value or leave it out.", code="blank")]
    if faults:
        raise QueryError(faults)


def list_of(words: list[str]) -> dict[str, Any]:
    """For the API's document: one or several of these words, between commas."""
    items = {"type": "string", "enum": words}
    return {"type": "array", "items": items, "collectionFormat": "csv", "minItems": 1}


class InstantFilter(filters.Filter):
    field_class = InstantFormField
    schema = {"type": "string", **INSTANT_SCHEMA}


class StatusFilter(filters.Filter):
    field_class = StatusFormField
    is_repeatable = True
    schema = list_of([s.value for s in Status])

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(s.value, s.value) for s in Status], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: list[str]) -> QuerySet[Any]:
        """One condition each, not IN: the statuses of unfinished tasks lie in different partial indexes."""
        return queryset.filter(reduce(or_, (Q(status=one) for one in value))) if value else queryset


class IdsFilter(filters.Filter):
    """Rows by their ids; those that no row has are left out."""

    field_class = IdsFormField
    is_repeatable = True
    schema = {
        "type": "array",
        "items": {"type": "string", "format": "uuid"},
        "collectionFormat": "csv",
        "minItems": 1,
        "maxItems": MOST_IDS,
    }

    def filter(self, queryset: QuerySet[Any], value: set[UUID]) -> QuerySet[Any]:
        return queryset.filter(pk__in=value) if value else queryset


class CreatedFilter(InstantFilter):
    """A bound on created_at, and with it one on the ids, which are ordered by time: their index needs no others."""

    def __init__(self, field_name: str, bound: str, **kwargs: Any) -> None:
        super().__init__(field_name, bound, **kwargs)
        self.bound = bound

    def filter(self, queryset: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        return queryset if value is None else super().filter(queryset, value).filter(self.of_ids(value))

    def of_ids(self, value: datetime) -> Q:
        """The bound on the ids; for one on `finished_at` too: no task ends before it is created."""
        is_from = self.bound == "gte"
        margin = -CLOCKS_DIFFER if is_from else CLOCKS_DIFFER
        try:
            return Q(**{f"pk__{self.bound}": first_id(value + margin)})
        except OverflowError:
            return Q()


class BatchFilter(filters.Filter):
    """A batch, and with it a bound on the ids: no index knows the tasks of a batch, its id does."""

    field_class = UUIDFormField
    schema = {"type": "string", "format": "uuid"}

    def filter(self, queryset: QuerySet[Any], value: UUID | None) -> QuerySet[Any]:
        return queryset if value is None else super().filter(queryset, value).filter(self.of_ids(value))

    def of_ids(self, value: UUID) -> Q:
        """The bound on the ids."""
        ids = batch_ids.range_of(value)
        return Q(pk__range=ids) if ids else Q(pk__in=[])


class TextFilter(filters.CharFilter):
    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)
        self.schema = {"type": "string", "minLength": 1, "maxLength": max_length, "pattern": r"\S"}


class UUIDFilter(filters.Filter):
    field_class = UUIDFormField
    schema = {"type": "string", "format": "uuid"}


class IntegerFilter(filters.Filter):
    field_class = IntegerFormField

    def __init__(self, *args: Any, min_value: int, max_value: int, **kwargs: Any) -> None:
        super().__init__(*args, min_value=min_value, max_value=max_value, **kwargs)
        self.schema = {"type": "integer", "minimum": min_value, "maximum": max_value}


class StrictFilterBackend(filters.DjangoFilterBackend):
    """Applies a view's `filterset_class`; raises QueryError for wrong parameters of any kind."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        declared = filterset.filters if filterset else {}
        repeatable = [name for name, one in declared.items() if getattr(one, "is_repeatable", False)]
        paging = getattr(view.pagination_class, "parameters", ())  # type: ignore[attr-defined]
        check_parameters(request.query_params, {*declared, *paging}, repeatable)
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            raise QueryError(_faults(filterset.form))
        view.filterset = filterset  # type: ignore[attr-defined]
        return filterset.qs

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """For the API's document."""
        declared = self.get_filterset_class(view).base_filters
        return [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": str(one.extra.get("help_text", "")),
                "schema": getattr(one, "schema", {"type": "string"}),
            }
            for name, one in declared.items()
        ]


def _faults(form: forms.Form) -> dict[str, list[ErrorDetail]]:
    return {
        name: [ErrorDetail(text, code=fault.code) for fault in faults for text in fault.messages]
        for name, faults in form.errors.as_data().items()
    }


_BOUNDS = ("created_after", "created_before", "finished_before", "batch_id")


class TaskFilterSet(filters.FilterSet):
    """Filters of GET /tasks/."""

    ids = IdsFilter(
        help_text=f"Tasks with these ids, at most {MOST_IDS}, repeated or between commas. Ids that no task has are "
        "left out: compare."
    )
    status = StatusFilter(help_text="One or several statuses, repeated or between commas.")
    queue = TextFilter(max_length=64, help_text="The queue's exact name.")
    operation = TextFilter(max_length=200, help_text="The exact operation; write + as %2B.")
    priority = IntegerFilter(min_value=0, max_value=9, help_text="Exactly this priority.")
    priority_min = IntegerFilter(
        "priority", "gte", min_value=0, max_value=9, help_text="This number or above."
    )
    priority_max = IntegerFilter(
        "priority", "lte", min_value=0, max_value=9, help_text="This number or below."
    )
    task_schedule = UUIDFilter(help_text="Tasks of this task schedule.")
    tag = TextFilter(method="filter_tag", max_length=64, help_text="Tasks that have this tag.")
    created_after = CreatedFilter("created_at", "gte", help_text="Created at this time or later.")
    created_before = CreatedFilter("created_at", "lt", help_text="Created before this time.")
    finished_after = InstantFilter("finished_at", "gte", help_text="Finished at this time or later.")
    finished_before = CreatedFilter("finished_at", "lt", help_text="Finished before this time.")
    batch_id = BatchFilter(help_text="Tasks that came in this batch request.")

    class Meta:
        model = Task
        fields: list[str] = []

    _ANSWERED_BY_IDS = frozenset({"created_after", "created_before"})

    @property
    def given(self) -> dict[str, Any]:
        """The filters that the request has, by their names."""
        return {
            name: value
            for name, value in self.form.cleaned_data.items()
            if value not in (None, "", [], set())
        }

    @property
    def is_in_project_only(self) -> bool:
        """Whether the tasks that are asked for are all of a project's, or a range of them by their ids."""
        return self.given.keys() <= self._ANSWERED_BY_IDS

    @property
    def is_in_few(self) -> bool:
        """Whether an index knows a few tasks among which those that are asked for are."""
        return not self.given.keys().isdisjoint(("task_schedule", "ids"))

    def walked(self, project_id: int) -> QuerySet[Task] | None:
        """The tasks among which those that are asked for have to be searched; None where an index knows them.

        Those of the default project, which has no index, have to be searched among all.
        """
        given = self.given
        tasks = Task.objects.all() if project_id == DEFAULT_PROJECT else queries.of_project(project_id)
        if self.is_in_project_only:
            return self.filter_queryset(tasks)
        statuses = set(given.get("status", ()))
        is_unfinished = bool(statuses) and not statuses & TERMINAL
        if self.is_in_few or is_unfinished:
            return None
        return tasks.filter(*(self.filters[name].of_ids(given[name]) for name in _BOUNDS if name in given))

    def filter_tag(self, queryset: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        return queries.with_tag(queryset, value)
