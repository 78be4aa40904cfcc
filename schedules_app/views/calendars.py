"""Calendars: named sets of days that schedules share."""

from django.db.models import QuerySet
from drf_yasg.utils import swagger_auto_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access_app import audit
from access_app.principals import SCHEDULES, project_of
from schedules_app import documentation as docs
from schedules_app import queries, records, store
from schedules_app.fields import CALENDAR_NAME, CALENDAR_NAME_SCHEMA
from schedules_app.filters import CalendarFilterSet
from schedules_app.models import Calendar
from schedules_app.serializers import CalendarChangesSerializer, CalendarSerializer, NewCalendarSerializer
from schedules_app.views.common import PagedView, body_of, changes_of, location, problems
from tasks_app.filters import check_parameters


def _missing(name: str) -> NotFound:
    return NotFound(f"There is no calendar {name[:64]}; GET /calendars/ lists those that exist.")


def _find(request: Request, name: str) -> Calendar:
    # What cannot be a name, such as a lone surrogate, must not get as far as the database.
    is_name = CALENDAR_NAME.fullmatch(name)
    found = queries.calendars_named([name], project_of(request)) if is_name else []
    if not found:
        raise _missing(name)
    return found[0]


class CalendarListView(PagedView):
    """List calendars, and create one."""

    scopes = SCHEDULES
    serializer_class = CalendarSerializer
    filterset_class = CalendarFilterSet
    orderings = {"name": "name", "-name": "-name"}
    heavy = ("dates", "rrules")

    def get_queryset(self) -> QuerySet[Calendar]:
        return queries.calendars_of(project_of(self.request))

    @swagger_auto_schema(**docs.LIST_CALENDARS)
    def get(self, request: Request) -> Response:
        return self.page(self.get_queryset(), CalendarSerializer)

    @swagger_auto_schema(**docs.CREATE_CALENDAR)
    def post(self, request: Request) -> Response:
        check_parameters(request.query_params, ())
        new = records.NewCalendar(**body_of(request, NewCalendarSerializer), project_id=project_of(request))
        with problems(), audit.changing(request) as note:
            calendar = store.create_calendar(new)
            note("calendar.create", "calendar", [calendar.name])
        headers = {"Location": location(request, f"calendars/{calendar.name}/")}
        return Response(CalendarSerializer(calendar).data, status.HTTP_201_CREATED, headers=headers)


class CalendarDetailView(APIView):
    """One calendar."""

    scopes = SCHEDULES
    path_schemas = {"name": CALENDAR_NAME_SCHEMA}

    @swagger_auto_schema(**docs.READ_CALENDAR)
    def get(self, request: Request, name: str) -> Response:
        check_parameters(request.query_params, ())
        return Response(CalendarSerializer(_find(request, name)).data)

    @swagger_auto_schema(**docs.CHANGE_CALENDAR)
    def patch(self, request: Request, name: str) -> Response:
        check_parameters(request.query_params, ())
        revision = _find(request, name).revision
        serializer = CalendarChangesSerializer(data=changes_of(request), partial=True)
        serializer.is_valid(raise_exception=True)
        with problems(), audit.changing(request) as note:
            calendar = store.update_calendar(name, serializer.validated_data, project_id=project_of(request))
            is_changed = calendar is not None and calendar.revision != revision
            note(
                "calendar.edit",
                "calendar",
                [name] if is_changed else [],
                fields=list(serializer.validated_data),
            )
        if calendar is None:
            raise _missing(name)
        return Response(CalendarSerializer(calendar).data)

    @swagger_auto_schema(**docs.DELETE_CALENDAR)
    def delete(self, request: Request, name: str) -> Response:
        check_parameters(request.query_params, ())
        _find(request, name)
        with problems(), audit.changing(request) as note:
            is_deleted = store.delete_calendar(name, project_id=project_of(request))
            note("calendar.delete", "calendar", [name] if is_deleted else [])
        if not is_deleted:
            raise _missing(name)
        return Response(status=status.HTTP_204_NO_CONTENT)
