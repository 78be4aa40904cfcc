"""Task schedules over HTTP: create, read, change, delete, and their lists. Thin: the store writes, queries read."""

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_yasg.utils import swagger_auto_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access_app import audit
from access_app.principals import SCHEDULES, TASKS, project_of
from schedules_app import documentation as docs
from schedules_app import preview, queries, store
from schedules_app.etags import check_match, tagged, unless_known
from schedules_app.filters import OccurrenceFilterSet, ScheduleFilterSet, ScheduleTaskFilterSet
from schedules_app.models import Occurrence, TaskSchedule
from schedules_app.records import NewSchedule
from schedules_app.serializers import DryRunSerializer, OccurrenceSerializer, ScheduleSerializer
from schedules_app.views.common import PagedView, boolean_of, changes_of, find, location, missing, problems
from tasks_app.filters import check_parameters
from tasks_app.models import Task
from tasks_app.queries import HEAVY
from tasks_app.repetition import Write, answer_once
from tasks_app.serializers import TaskSerializer
from tasks_app.views import parse_id


def _prepare(request: Request) -> Write:
    check_parameters(request.query_params, ())
    project_id = project_of(request)
    serializer = ScheduleSerializer(data=request.data, context={"project_id": project_id})
    serializer.is_valid(raise_exception=True)
    return partial(_create, request, NewSchedule(**serializer.validated_data, project_id=project_id))


def _create(request: Request, new: NewSchedule) -> Response:
    with problems(), audit.changing(request) as note:
        [schedule] = store.create([new])
        note("schedule.create", "schedule", [schedule.task_schedule_id])
    headers = {"Location": location(request, f"task-schedules/{schedule.task_schedule_id}/")}
    return Response(ScheduleSerializer(schedule).data, status.HTTP_201_CREATED, headers=headers)


class ScheduleListView(PagedView):
    """List task schedules, and create one."""

    scopes = SCHEDULES
    serializer_class = ScheduleSerializer
    filterset_class = ScheduleFilterSet
    filterset: ScheduleFilterSet
    orderings = {
        "-created_at": "-pk",
        "created_at": "pk",
        "next_run_at": "next_run_at",
        "-next_run_at": "-next_run_at",
    }
    heavy = queries.HEAVY

    def get_queryset(self) -> QuerySet[TaskSchedule]:
        return queries.with_names_of_calendars(queries.schedules_of(project_of(self.request)))

    def walked(self) -> QuerySet[TaskSchedule] | None:
        """The schedules among which those of the list have to be searched."""
        return self.filterset.walked()

    @swagger_auto_schema(**docs.LIST_SCHEDULES)
    def get(self, request: Request) -> Response:
        return self.page(self.get_queryset(), ScheduleSerializer)

    @swagger_auto_schema(**docs.CREATE_SCHEDULE)
    def post(self, request: Request) -> HttpResponseBase:
        return tagged(answer_once(request, "task-schedules", _prepare))


class ScheduleDetailView(APIView):
    """One task schedule."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.READ_SCHEDULE)
    def get(self, request: Request, schedule_id: str) -> Response:
        check_parameters(request.query_params, ())
        return unless_known(request, Response(ScheduleSerializer(find(request, parse_id(schedule_id))).data))

    @swagger_auto_schema(**docs.CHANGE_SCHEDULE)
    def patch(self, request: Request, schedule_id: str) -> HttpResponseBase:
        check_parameters(request.query_params, ["dry_run"])
        # Read before the lock: a slow body must not hold it.
        key, _ = parse_id(schedule_id), request.data
        if boolean_of(request.query_params, "dry_run"):
            return Response(_dry_run(request, key))
        with transaction.atomic(), audit.changing(request) as note:
            before = _locked(request, key)
            revision = before.revision
            schedule = _change(request, before)
            is_changed = schedule.revision != revision
            note("schedule.edit", "schedule", [key] if is_changed else [], fields=sorted(request.data))
        return tagged(Response(ScheduleSerializer(schedule).data))

    @swagger_auto_schema(**docs.DELETE_SCHEDULE)
    def delete(self, request: Request, schedule_id: str) -> Response:
        check_parameters(request.query_params, ())
        key = parse_id(schedule_id)
        with transaction.atomic(), audit.changing(request) as note:
            _locked(request, key)
            store.delete(key, project_id=project_of(request))
            note("schedule.delete", "schedule", [key])
        return Response(status=status.HTTP_204_NO_CONTENT)


def _locked(request: Request, key: UUID) -> TaskSchedule:
    """The schedule, held, if it is the one that the client means."""
    schedule = store.lock(key, project_of(request))
    if schedule is None:
        raise missing(key)
    check_match(request, schedule.revision)
    return schedule


def _change(request: Request, schedule: TaskSchedule) -> TaskSchedule:
    # Checked under the lock: two changes that are fine by themselves may not be together.
    project_id = project_of(request)
    serializer = ScheduleSerializer(
        schedule, data=changes_of(request), partial=True, context={"project_id": project_id}
    )
    serializer.is_valid(raise_exception=True)
    with problems():
        changed = store.update(schedule.task_schedule_id, serializer.validated_data, project_id=project_id)
    assert changed is not None, "it is locked, so nobody can have deleted it"  # for the type checker
    return changed


def _dry_run(request: Request, key: UUID) -> dict[str, Any]:
    """What the change would do: it is made and taken back, so it is no guess."""
    now = timezone.now()
    with transaction.atomic():
        schedule = _locked(request, key)
        before = preview.ahead_or_nothing(schedule, now)
        changed = _change(request, schedule)
        with problems():
            after = preview.ahead(changed, now)
        shown = ScheduleSerializer(changed).data
        transaction.set_rollback(True)
    return DryRunSerializer({"schedule": changed, **preview.compare(before, after, now)}).data | {
        "schedule": shown
    }


class ScheduleTasksView(PagedView):
    """The tasks of one task schedule."""

    scopes = TASKS
    serializer_class = TaskSerializer
    filterset_class = ScheduleTaskFilterSet
    queryset = Task.objects.none()
    orderings = {"-created_at": "-pk", "created_at": "pk"}
    heavy = HEAVY

    @swagger_auto_schema(**docs.LIST_TASKS)
    def get(self, request: Request, schedule_id: str) -> Response:
        schedule = find(request, parse_id(schedule_id))
        return self.page(queries.tasks_of(schedule.pk), TaskSerializer)


class ScheduleOccurrencesView(PagedView):
    """The ledger of one task schedule."""

    scopes = SCHEDULES
    serializer_class = OccurrenceSerializer
    filterset_class = OccurrenceFilterSet
    queryset = Occurrence.objects.none()
    orderings = {"-occurs_at": "-occurs_at", "occurs_at": "occurs_at"}

    @swagger_auto_schema(**docs.LIST_OCCURRENCES)
    def get(self, request: Request, schedule_id: str) -> Response:
        schedule = find(request, parse_id(schedule_id))
        return self.page(queries.occurrences_of(schedule.pk), OccurrenceSerializer)

    def complete(self, rows: list[Occurrence]) -> None:
        queries.fill_in_outcomes(rows)
