"""Query parameters of lists: each is checked, and one that is unknown, empty or repeated is refused."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError as FormError
from django.db.models import QuerySet
from django.http import QueryDict
from django_filters import rest_framework as filters
from rest_framework.request import Request
from rest_framework.serializers import ErrorDetail
from rest_framework.views import APIView

from scheduler_service.errors import QueryError
from tasks_app import queries
from tasks_app.fields import InvalidInstantError, parse_instant
from tasks_app.lifecycle import Status
from tasks_app.models import Task


def check_parameters(given: QueryDict, known: Iterable[str], repeatable: Iterable[str] = ()) -> None:
    """Raise QueryError for parameters that are unknown, empty or given more than once."""
    known, repeatable = sorted(known), set(repeatable)
    faults: dict[str, list[ErrorDetail]] = {}
    for name, values in given.lists():
        if name not in known:
            message = f"There is no such parameter; use only: {', '.join(known)}."
            faults[name] = [ErrorDetail(message, code="unknown_parameter")]
        elif len(values) > 1 and name not in repeatable:
            faults[name] = [ErrorDetail("Give this parameter once.", code="repeated")]
        elif not all(values):
            faults[name] = [ErrorDetail("Give this parameter a value or leave it out.", code="blank")]
    if faults:
        raise QueryError(faults)


class InstantFormField(forms.Field):
    """A time with its offset, as in requests' bodies."""

    def to_python(self, value: str | None) -> datetime | None:
        if not value:
            return None
        try:
            # An unescaped + of an offset arrives as a space.
            return parse_instant(value.replace(" ", "+"))
        except InvalidInstantError as error:
            raise FormError(str(error), code=error.code) from None


class CommaListWidget(forms.Widget):
    """Values from a repeated parameter, each of which may hold several between commas."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return [part.strip() for text in data.getlist(name) for part in text.split(",")]


class StatusFormField(forms.MultipleChoiceField):
    """Statuses."""

    widget = CommaListWidget


class InstantFilter(filters.Filter):
    field_class = InstantFormField
    schema = {"type": "string", "format": "date-time"}


class StatusFilter(filters.Filter):
    field_class = StatusFormField
    is_repeatable = True
    schema = {
        "type": "array",
        "items": {"type": "string", "enum": [s.value for s in Status]},
        "collectionFormat": "csv",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lookup_expr="in", choices=[(s.value, s.value) for s in Status], **kwargs)


class TextFilter(filters.CharFilter):
    schema = {"type": "string"}


class UUIDFilter(filters.UUIDFilter):
    schema = {"type": "string", "format": "uuid"}


class IntegerFilter(filters.Filter):
    field_class = forms.IntegerField
    schema = {"type": "integer"}


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


class TaskFilterSet(filters.FilterSet):
    """Filters of GET /tasks/."""

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
    created_after = InstantFilter("created_at", "gte", help_text="Created at this time or later.")
    created_before = InstantFilter("created_at", "lt", help_text="Created before this time.")
    finished_after = InstantFilter("finished_at", "gte", help_text="Finished at this time or later.")
    finished_before = InstantFilter("finished_at", "lt", help_text="Finished before this time.")

    class Meta:
        model = Task
        fields: list[str] = []

    def filter_tag(self, queryset: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        return queries.with_tag(queryset, value)
