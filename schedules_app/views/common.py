"""What the views of schedules share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import get_script_prefix
from rest_framework import generics, serializers
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from access_app.principals import project_of
from scheduler_service.errors import Conflict, QueryError
from schedules_app import errors, queries
from schedules_app.etags import PreconditionFailed
from schedules_app.models import TaskSchedule
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.serializers import as_validation_error, fault
from tasks_app.batches import BOOLEANS
from tasks_app.filters import StrictFilterBackend
from tasks_app.pagination import KeysetPagination

_FIELDS: dict[type[Exception], str] = {errors.NoSuchOccurrence: "occurs_at", errors.TooManyOccurrences: "to"}
"""Store errors that are the fault of one field of the request."""


def missing(schedule_id: UUID) -> NotFound:
    """404: no such schedule."""
    return NotFound(f"There is no task schedule {schedule_id}: it never existed, or was deleted.")


def find(request: Request, schedule_id: UUID) -> TaskSchedule:
    """The schedule of the request's project; raises NotFound."""
    schedule = queries.find(schedule_id, project_of(request))
    if schedule is None:
        raise missing(schedule_id)
    return schedule


def location(request: Request, path: str) -> str:
    """The address of something new, under the prefix that the request used."""
    version = "api/v1/" if request.path_info.startswith("/api/v1/") else ""
    return f"{get_script_prefix()}{version}{path}"


@contextmanager
def problems() -> Iterator[None]:
    """Turn what the store raises into the problem that it is for the client."""
    try:
        yield
    except InvalidRecurrence as error:
        raise as_validation_error(error) from None
    except errors.StaleRevision:
        raise PreconditionFailed from None
    except errors.ScheduleError as error:
        if field := _FIELDS.get(type(error)):
            raise fault(field, str(error), error.code) from None
        raise Conflict(str(error), error.code) from None


def body_of(request: Request, serializer: type[serializers.Serializer]) -> dict[str, Any]:
    """The checked body of an action; raises ValidationError."""
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    return checked.validated_data


def changes_of(request: Request) -> Any:
    """The body of a PATCH; raises ValidationError when there is none, which no client means."""
    if request.stream is None:
        message = 'Send a JSON object of what to change, for example {"priority": 3}.'
        raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [ErrorDetail(message, code="required")]})
    return request.data


def number_of(parameters: QueryDict, name: str, default: int, most: int) -> int:
    """A whole number from 1 of the query; raises QueryError."""
    text = parameters.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise wrong(name, f"Use a whole number from 1 to {most}.")
    return int(text)


def boolean_of(parameters: QueryDict, name: str) -> bool:
    """A true or false of the query, false if it is missing; raises QueryError."""
    text = parameters.get(name, "false")
    if text not in BOOLEANS:
        raise wrong(name, "Use true or false.")
    return BOOLEANS[text]


def wrong(parameter: str, message: str, code: str = "invalid") -> QueryError:
    """400: a parameter of the query."""
    return QueryError({parameter: [ErrorDetail(message, code=code)]})


class PagedView(generics.GenericAPIView):
    """A list in pages."""

    filter_backends = [StrictFilterBackend]
    pagination_class = KeysetPagination

    def page(self, rows: QuerySet[Any], serializer: type[serializers.Serializer]) -> Response:
        """The page of these rows that the request asks for."""
        shown = self.paginate_queryset(self.filter_queryset(rows))
        self.complete(shown)
        return self.get_paginated_response(serializer(shown, many=True).data)

    def complete(self, rows: Any) -> None:
        """Add to the rows of a page what they do not have themselves."""
