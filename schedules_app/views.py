"""Task schedules over HTTP. Thin: serializers check, the store writes, queries read."""

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.urls import get_script_prefix
from drf_yasg.utils import swagger_auto_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from scheduler_service.errors import Conflict
from schedules_app import documentation as docs
from schedules_app import queries, store
from schedules_app.filters import OccurrenceFilterSet, ScheduleFilterSet, ScheduleTaskFilterSet
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import NewSchedule
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.serializers import OccurrenceSerializer, ScheduleSerializer, as_validation_error
from tasks_app.filters import StrictFilterBackend, check_parameters
from tasks_app.models import Task
from tasks_app.pagination import KeysetPagination
from tasks_app.repetition import Write, answer_once
from tasks_app.serializers import TaskSerializer
from tasks_app.views import parse_id


def _missing(schedule_id: UUID) -> NotFound:
    return NotFound(f"There is no task schedule {schedule_id}: it never existed, or was deleted.")


def _find(schedule_id: UUID) -> TaskSchedule:
    schedule = queries.find(schedule_id)
    if schedule is None:
        raise _missing(schedule_id)
    return schedule


def _location(request: Request, schedule: TaskSchedule) -> str:
    version = "api/v1/" if request.path_info.startswith("/api/v1/") else ""
    return f"{get_script_prefix()}{version}task-schedules/{schedule.task_schedule_id}/"


def _prepare(request: Request) -> Write:
    check_parameters(request.query_params, ())
    serializer = ScheduleSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    return partial(_create, request, NewSchedule(**serializer.validated_data))


def _create(request: Request, new: NewSchedule) -> Response:
    try:
        [schedule] = store.create([new])
    except InvalidRecurrence as error:
        raise as_validation_error(error) from None
    headers = {"Location": _location(request, schedule)}
    return Response(ScheduleSerializer(schedule).data, status.HTTP_201_CREATED, headers=headers)


class PagedView(generics.GenericAPIView):
    """A list in pages."""

    filter_backends = [StrictFilterBackend]
    pagination_class = KeysetPagination

    def page(self, rows: QuerySet[Any], serializer: type[serializers.Serializer]) -> Response:
        """The page of these rows that the request asks for."""
        shown = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(serializer(shown, many=True).data)


class ScheduleListView(PagedView):
    """List task schedules, and create one."""

    serializer_class = ScheduleSerializer
    filterset_class = ScheduleFilterSet
    orderings = {
        "-created_at": "-pk",
        "created_at": "pk",
        "next_run_at": "next_run_at",
        "-next_run_at": "-next_run_at",
    }

    def get_queryset(self) -> QuerySet[TaskSchedule]:
        return queries.all_schedules()

    @swagger_auto_schema(**docs.LIST_SCHEDULES)
    def get(self, request: Request) -> Response:
        return self.page(self.get_queryset(), ScheduleSerializer)

    @swagger_auto_schema(**docs.CREATE_SCHEDULE)
    def post(self, request: Request) -> HttpResponseBase:
        return answer_once(request, "task-schedules", _prepare)


class ScheduleDetailView(APIView):
    """One task schedule."""

    @swagger_auto_schema(**docs.READ_SCHEDULE)
    def get(self, request: Request, schedule_id: str) -> Response:
        check_parameters(request.query_params, ())
        return Response(ScheduleSerializer(_find(parse_id(schedule_id))).data)

    @swagger_auto_schema(**docs.CHANGE_SCHEDULE)
    def patch(self, request: Request, schedule_id: str) -> Response:
        check_parameters(request.query_params, ())
        key, changes = parse_id(schedule_id), request.data
        # Checked under the lock: two changes that are fine by themselves may not be together.
        with transaction.atomic():
            serializer = ScheduleSerializer(store.lock(key), data=changes, partial=True)
            if serializer.instance is None:
                raise _missing(key)
            serializer.is_valid(raise_exception=True)
            try:
                schedule = store.update(key, serializer.validated_data)
            except InvalidRecurrence as error:
                raise as_validation_error(error) from None
        return Response(ScheduleSerializer(schedule).data)

    @swagger_auto_schema(**docs.DELETE_SCHEDULE)
    def delete(self, request: Request, schedule_id: str) -> Response:
        key = parse_id(schedule_id)
        if not store.delete(key):
            raise _missing(key)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _unless_finished(key: UUID) -> Response:
    schedule = _find(key)
    if schedule.next_run_at is None:
        raise Conflict(
            "The schedule is FINISHED; give it a later ends_at or a higher schedule_x_times first."
        )
    return Response(ScheduleSerializer(schedule).data)


class SchedulePauseView(APIView):
    """Stop a task schedule for a while."""

    @swagger_auto_schema(**docs.PAUSE_SCHEDULE)
    def post(self, request: Request, schedule_id: str) -> Response:
        key = parse_id(schedule_id)
        store.pause([key])
        return _unless_finished(key)


class ScheduleResumeView(APIView):
    """Let a paused task schedule go on."""

    @swagger_auto_schema(**docs.RESUME_SCHEDULE)
    def post(self, request: Request, schedule_id: str) -> Response:
        key = parse_id(schedule_id)
        try:
            store.resume([key])
        except InvalidRecurrence as error:
            raise Conflict(f"The schedule's rule cannot be followed, change it first: {error}") from None
        return _unless_finished(key)


class ScheduleTasksView(PagedView):
    """The tasks of one task schedule."""

    serializer_class = TaskSerializer
    filterset_class = ScheduleTaskFilterSet
    queryset = Task.objects.none()
    orderings = {"-created_at": "-pk", "created_at": "pk"}

    @swagger_auto_schema(**docs.LIST_TASKS)
    def get(self, request: Request, schedule_id: str) -> Response:
        schedule = _find(parse_id(schedule_id))
        return self.page(queries.tasks_of(schedule.pk), TaskSerializer)


class ScheduleOccurrencesView(PagedView):
    """The ledger of one task schedule."""

    serializer_class = OccurrenceSerializer
    filterset_class = OccurrenceFilterSet
    queryset = Occurrence.objects.none()
    orderings = {"-occurs_at": "-occurs_at", "occurs_at": "occurs_at"}

    @swagger_auto_schema(**docs.LIST_OCCURRENCES)
    def get(self, request: Request, schedule_id: str) -> Response:
        schedule = _find(parse_id(schedule_id))
        return self.page(queries.occurrences_of(schedule.pk), OccurrenceSerializer)
