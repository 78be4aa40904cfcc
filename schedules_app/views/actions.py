"""What a person does with a schedule: pause, resume, trigger, skip, move, restore."""

from functools import partial
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_yasg.utils import swagger_auto_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access_app import audit
from access_app.principals import SCHEDULES, project_of
from scheduler_service.errors import Conflict
from schedules_app import documentation as docs
from schedules_app import store
from schedules_app.etags import tagged
from schedules_app.recurrence import InvalidRecurrence
from schedules_app.serializers import (
    MoveOccurrenceSerializer,
    OccurrenceSerializer,
    PauseSerializer,
    RestoreSerializer,
    ResumeSerializer,
    ScheduleSerializer,
    TriggerSerializer,
)
from schedules_app.views.common import body_of, find, location, missing, problems
from tasks_app import waiting
from tasks_app.filters import check_parameters
from tasks_app.repetition import Write, answer_once
from tasks_app.serializers import TaskSerializer
from tasks_app.task_template import validate_template
from tasks_app.views import parse_id


def _shown(request: Request, key: UUID) -> HttpResponseBase:
    return tagged(Response(ScheduleSerializer(find(request, key)).data))


def _unless_finished(request: Request, key: UUID) -> HttpResponseBase:
    if find(request, key).next_run_at is None:
        raise Conflict(
            "The schedule is FINISHED; give it a later ends_at or a higher schedule_x_times first."
        )
    return _shown(request, key)


class SchedulePauseView(APIView):
    """Stop a task schedule for a while."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.PAUSE_SCHEDULE)
    def post(self, request: Request, schedule_id: str) -> HttpResponseBase:
        check_parameters(request.query_params, ())
        key = parse_id(schedule_id)
        asked = body_of(request, PauseSerializer)
        with audit.changing(request) as note:
            paused = store.pause(
                [key], note=asked["note"], until=asked["until"], project_id=project_of(request)
            )
            note("schedule.pause", "schedule", paused, until=asked["until"])
        return _unless_finished(request, key)


class ScheduleResumeView(APIView):
    """Let a paused task schedule go on."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.RESUME_SCHEDULE)
    def post(self, request: Request, schedule_id: str) -> HttpResponseBase:
        check_parameters(request.query_params, ())
        key = parse_id(schedule_id)
        asked = body_of(request, ResumeSerializer)
        try:
            with audit.changing(request) as note:
                resumed = store.resume([key], catch_up=asked["catch_up"], project_id=project_of(request))
                note("schedule.resume", "schedule", resumed, catch_up=asked["catch_up"])
        except InvalidRecurrence as error:
            raise Conflict(f"The schedule's rule cannot be followed, change it first: {error}") from None
        return _unless_finished(request, key)


class ScheduleTriggerView(APIView):
    """Run the task of a schedule now."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.TRIGGER_SCHEDULE)
    def post(self, request: Request, schedule_id: str) -> HttpResponseBase:
        key = parse_id(schedule_id)
        return answer_once(request, f"task-schedules/{key}/trigger", partial(_prepare_trigger, key))


def _prepare_trigger(key: UUID, request: Request) -> Write:
    check_parameters(request.query_params, ())
    asked = body_of(request, TriggerSerializer)
    if asked["arguments"] is not None:
        template = {"operation": find(request, key).operation, "arguments": asked["arguments"]}
        asked["arguments"] = validate_template(template)["arguments"]
    return partial(_trigger, request, key, asked)


def _trigger(request: Request, key: UUID, asked: dict[str, Any]) -> Response:
    waiting.check(request, 1)
    with problems(), audit.changing(request) as note:
        triggered = store.trigger(
            key,
            obey_overlap=asked["obey_overlap"],
            arguments=asked["arguments"],
            project_id=project_of(request),
        )
        if triggered is not None:
            task_id = triggered.task.task_id if triggered.task else None
            note("schedule.trigger", "schedule", [key], verdict=triggered.verdict, task_id=task_id)
    if triggered is None:
        raise missing(key)
    if triggered.task is None:
        return Response(OccurrenceSerializer(triggered.occurrence).data)
    headers = {"Location": location(request, f"tasks/{triggered.task.task_id}/")}
    return Response(TaskSerializer(triggered.task).data, status.HTTP_201_CREATED, headers=headers)


class ScheduleSkipNextView(APIView):
    """Leave out the next occurrence."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.SKIP_NEXT)
    def post(self, request: Request, schedule_id: str) -> HttpResponseBase:
        check_parameters(request.query_params, ())
        key = parse_id(schedule_id)
        with problems(), audit.changing(request) as note:
            skipped = store.skip_next(key, project_id=project_of(request))
            note("schedule.skip", "schedule", [key] if skipped else [], occurs_at=skipped)
        return _shown(request, key) if skipped else _unless_finished(request, key)


class ScheduleMoveView(APIView):
    """Let one occurrence come at another time."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.MOVE_OCCURRENCE)
    def post(self, request: Request, schedule_id: str) -> HttpResponseBase:
        check_parameters(request.query_params, ())
        key = parse_id(schedule_id)
        find(request, key)
        asked = body_of(request, MoveOccurrenceSerializer)
        with problems(), audit.changing(request) as note:
            moved = store.move(key, asked["occurs_at"], asked["to"], project_id=project_of(request))
            note("schedule.move", "schedule", [key] if moved else [], **asked)
        return _shown(request, key)


class ScheduleRestoreView(APIView):
    """Take a skip or a move back."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.RESTORE_OCCURRENCE)
    def post(self, request: Request, schedule_id: str) -> HttpResponseBase:
        check_parameters(request.query_params, ())
        key = parse_id(schedule_id)
        find(request, key)
        asked = body_of(request, RestoreSerializer)
        with problems(), audit.changing(request) as note:
            restored = store.restore(key, asked["occurs_at"], project_id=project_of(request))
            note("schedule.restore", "schedule", [key] if restored else [], occurs_at=asked["occurs_at"])
        return _shown(request, key)
