"""Calendars: named sets of days that schedules share."""

from django.db.models import QuerySet
from drf_yasg.utils import swagger_auto_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from schedules_app import documentation as docs
from schedules_app import queries, records, store
from schedules_app.fields import CALENDAR_NAME
from schedules_app.filters import CalendarFilterSet
from schedules_app.models import Calendar
from schedules_app.serializers import CalendarChangesSerializer, CalendarSerializer, NewCalendarSerializer
from schedules_app.views.common import PagedView, body_of, location, problems
from tasks_app.filters import check_parameters


def _missing(name: str) -> NotFound:
    return NotFound(f"There is no calendar {name[:64]}; GET /calendars/ lists those that exist.")


def _find(name: str) -> Calendar:
    # What cannot be a name, such as a lone surrogate, must not get as far as the database.
    found = queries.calendars_named([name]) if CALENDAR_NAME.fullmatch(name) else []
    if not found:
        raise _missing(name)
    return found[0]


class CalendarListView(PagedView):
    """List calendars, and create one."""

    serializer_class = CalendarSerializer
    filterset_class = CalendarFilterSet
    orderings = {"name": "name", "-name": "-name"}

    def get_queryset(self) -> QuerySet[Calendar]:
        return queries.all_calendars()

    @swagger_auto_schema(**docs.LIST_CALENDARS)
    def get(self, request: Request) -> Response:
        return self.page(self.get_queryset(), CalendarSerializer)

    @swagger_auto_schema(**docs.CREATE_CALENDAR)
    def post(self, request: Request) -> Response:
        check_parameters(request.query_params, ())
        new = records.NewCalendar(**body_of(request, NewCalendarSerializer))
        with problems():
            calendar = store.create_calendar(new)
        headers = {"Location": location(request, f"calendars/{calendar.name}/")}
        return Response(CalendarSerializer(calendar).data, status.HTTP_201_CREATED, headers=headers)


class CalendarDetailView(APIView):
    """One calendar."""

    @swagger_auto_schema(**docs.READ_CALENDAR)
    def get(self, request: Request, name: str) -> Response:
        check_parameters(request.query_params, ())
        return Response(CalendarSerializer(_find(name)).data)

    @swagger_auto_schema(**docs.CHANGE_CALENDAR)
    def patch(self, request: Request, name: str) -> Response:
        check_parameters(request.query_params, ())
        _find(name)
        serializer = CalendarChangesSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        with problems():
            calendar = store.update_calendar(name, serializer.validated_data)
        if calendar is None:
            raise _missing(name)
        return Response(CalendarSerializer(calendar).data)

    @swagger_auto_schema(**docs.DELETE_CALENDAR)
    def delete(self, request: Request, name: str) -> Response:
        check_parameters(request.query_params, ())
        _find(name)
        with problems():
            is_deleted = store.delete_calendar(name)
        if not is_deleted:
            raise _missing(name)
        return Response(status=status.HTTP_204_NO_CONTENT)
