"""Backfills of a schedule: ask for one, follow its progress, cancel it."""

from functools import partial
from itertools import takewhile
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_yasg.utils import swagger_auto_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access_app import audit
from access_app.principals import SCHEDULES, project_of
from scheduler_service.errors import Conflict
from schedules_app import documentation as docs
from schedules_app import queries, recurrence, store
from schedules_app.filters import BackfillFilterSet
from schedules_app.firing import rule_of
from schedules_app.models import Backfill, TaskSchedule
from schedules_app.serializers import (
    BackfillDryRunSerializer,
    BackfillSerializer,
    NewBackfillSerializer,
)
from schedules_app.views.common import PagedView, body_of, find, location, missing, problems
from tasks_app import waiting
from tasks_app.filters import check_parameters
from tasks_app.repetition import Write, answer_once
from tasks_app.views import parse_id


class BackfillListView(PagedView):
    """List the backfills of a schedule, and ask for one."""

    scopes = SCHEDULES
    serializer_class = BackfillSerializer
    filterset_class = BackfillFilterSet
    queryset = Backfill.objects.none()
    orderings = {"-created_at": "-pk", "created_at": "pk"}

    @swagger_auto_schema(**docs.LIST_BACKFILLS)
    def get(self, request: Request, schedule_id: str) -> Response:
        schedule = find(request, parse_id(schedule_id))
        return self.page(queries.backfills_of(schedule.pk), BackfillSerializer)

    @swagger_auto_schema(**docs.CREATE_BACKFILL)
    def post(self, request: Request, schedule_id: str) -> HttpResponseBase:
        key = parse_id(schedule_id)
        return answer_once(request, f"task-schedules/{key}/backfills", partial(_prepare, key))


def _prepare(key: UUID, request: Request) -> Write:
    check_parameters(request.query_params, ())
    schedule = find(request, key)
    asked = body_of(request, NewBackfillSerializer)
    if asked["dry_run"]:
        return partial(_count, schedule, asked)
    return partial(_create, request, key, asked)


def _count(schedule: TaskSchedule, asked: dict[str, Any]) -> Response:
    with problems():
        total = store.plan_backfill(schedule, asked["from"], asked["to"])
        coming = recurrence.upcoming(rule_of(schedule), asked["from"])
        times = [
            item.at for item in takewhile(lambda item: item.at <= asked["to"], coming) if item.skip is None
        ]
    first, last = (times[0], times[-1]) if times else (None, None)
    return Response(BackfillDryRunSerializer({"total": total, "first": first, "last": last}).data)


def _create(request: Request, key: UUID, asked: dict[str, Any]) -> Response:
    with problems(), audit.changing(request) as note:
        backfill = store.backfill(
            key,
            asked["from"],
            asked["to"],
            asked["priority"],
            project_id=project_of(request),
            admit=lambda total: waiting.check_later(request, total, queries.owed_by_backfills),
        )
        made = [backfill.backfill_id] if backfill else []
        note("backfill.create", "backfill", made, schedule_id=key, start=asked["from"], end=asked["to"])
    if backfill is None:
        raise missing(key)
    path = f"task-schedules/{key}/backfills/{backfill.backfill_id}/"
    headers = {"Location": location(request, path)}
    return Response(BackfillSerializer(backfill).data, status.HTTP_202_ACCEPTED, headers=headers)


def _find(request: Request, schedule_id: str, backfill_id: str) -> Backfill:
    key, backfill_key = parse_id(schedule_id), parse_id(backfill_id)
    backfill = queries.find_backfill(backfill_key, key, project_of(request))
    if backfill is None:
        find(request, key)
        raise NotFound(f"The schedule has no backfill {backfill_key}.")
    return backfill


class BackfillDetailView(APIView):
    """One backfill."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.READ_BACKFILL)
    def get(self, request: Request, schedule_id: str, backfill_id: str) -> Response:
        check_parameters(request.query_params, ())
        return Response(BackfillSerializer(_find(request, schedule_id, backfill_id)).data)


class BackfillCancelView(APIView):
    """Stop one backfill."""

    scopes = SCHEDULES

    @swagger_auto_schema(**docs.CANCEL_BACKFILL)
    def post(self, request: Request, schedule_id: str, backfill_id: str) -> Response:
        check_parameters(request.query_params, ())
        backfill = _find(request, schedule_id, backfill_id)
        with audit.changing(request) as note:
            is_cancelled = store.cancel_backfill(backfill.backfill_id, project_id=project_of(request))
            ended = [backfill.backfill_id] if is_cancelled else []
            note("backfill.cancel", "backfill", ended, schedule_id=backfill.task_schedule_id)
        if not is_cancelled:
            backfill = _find(request, schedule_id, backfill_id)
            raise Conflict(f"The backfill is {backfill.status} already; only a running one can be cancelled.")
        return Response(BackfillSerializer(_find(request, schedule_id, backfill_id)).data)
