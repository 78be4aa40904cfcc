"""Tasks over HTTP. Thin: serializers check, the store writes, queries read."""

import re
from functools import partial
from uuid import UUID

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.urls import get_script_prefix
from drf_yasg.utils import swagger_auto_schema
from rest_framework import generics, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from scheduler_service.errors import Conflict
from tasks_app import documentation as docs
from tasks_app import queries, quick, spelling, store
from tasks_app.batches import Fault, read_alike, read_atomic, read_batch
from tasks_app.filters import StrictFilterBackend, TaskFilterSet, check_parameters
from tasks_app.lifecycle import TERMINAL
from tasks_app.models import Task
from tasks_app.operations import registered
from tasks_app.pagination import KeysetPagination
from tasks_app.records import Alike, NewTask
from tasks_app.repetition import Write, answer_once
from tasks_app.serializers import OperationSerializer, TaskDetailSerializer, TaskSerializer

ORDERINGS = {
    # Ids are time-ordered, so the primary key's index gives the order of creation.
    "-created_at": "-pk",
    "created_at": "pk",
    "priority": "priority",
    "run_at": "run_at",
    "-run_at": "-run_at",
    "finished_at": "finished_at",
    "-finished_at": "-finished_at",
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def parse_id(text: str) -> UUID:
    """The id in an address; raises NotFound for what is none, as for an id that nothing has."""
    if not _UUID.fullmatch(text):
        raise NotFound("Ids are UUIDs, such as 0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f; this one is not.")
    return UUID(text)


def _find(task_id: UUID) -> Task:
    task = queries.find(task_id)
    if task is None:
        raise NotFound(
            f"There is no task {task_id}: it never existed, was deleted, or its retention has passed."
        )
    return task


def _location(request: Request, task: Task) -> str:
    version = "api/v1/" if request.path_info.startswith("/api/v1/") else ""
    return f"{get_script_prefix()}{version}tasks/{task.task_id}/"


def _accepted(request: Request, task: Task, *, is_new: bool = True) -> Response:
    headers = {"Location": _location(request, task)}
    code = status.HTTP_202_ACCEPTED if is_new else status.HTTP_200_OK
    return Response(spelling.spell(task), code, headers=headers)


def _prepare_task(request: Request) -> Write:
    check_parameters(request.query_params, ())
    return partial(_create_task, request, NewTask(**quick.validated_alone(request.data)))


def _create_task(request: Request, new: NewTask) -> Response:
    [task] = store.create([new])
    return _accepted(request, task, is_new=task.task_id == new.task_id)


def _prepare_batch(request: Request) -> Write:
    is_atomic = read_atomic(request.query_params)
    if new := read_alike(request.data):
        return partial(_create_alike, new)
    return partial(_create_batch, *read_batch(request.data, is_atomic=is_atomic))


def _create_alike(new: Alike) -> Response:
    return Response(spelling.spell_alike(store.create_alike(new)), status.HTTP_202_ACCEPTED)


def _create_batch(new: list[NewTask], faults: list[Fault]) -> Response:
    answer = spelling.spell_all(store.create(new), errors=faults)
    return Response(answer, status.HTTP_202_ACCEPTED)


class TaskListView(generics.GenericAPIView):
    """List tasks, and create one."""

    serializer_class = TaskSerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = TaskFilterSet
    pagination_class = KeysetPagination
    orderings = ORDERINGS
    filterset: TaskFilterSet

    def get_queryset(self) -> QuerySet[Task]:
        return queries.all_tasks()

    def walked(self) -> QuerySet[Task] | None:
        """The tasks among which those of the list have to be searched."""
        return self.filterset.walked()

    def parts(self, queryset: QuerySet[Task], field: str) -> list[QuerySet[Task]]:
        """The list, in one part per status where their index has each of them in order."""
        if field != "finished_at":
            return [queryset]
        asked = set(self.filterset.given.get("status", ())) or TERMINAL
        return [queryset.filter(status=status) for status in sorted(TERMINAL & asked)]

    @swagger_auto_schema(**docs.LIST_TASKS)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(TaskSerializer(page, many=True).data)

    @swagger_auto_schema(**docs.CREATE_TASK)
    def post(self, request: Request) -> HttpResponseBase:
        return answer_once(request, "tasks", _prepare_task)


class TaskBatchView(APIView):
    """Create many tasks at once."""

    @swagger_auto_schema(**docs.CREATE_BATCH)
    def post(self, request: Request) -> HttpResponseBase:
        return answer_once(request, "tasks/batch-request", _prepare_batch)


class TaskDetailView(APIView):
    """One task."""

    @swagger_auto_schema(**docs.READ_TASK)
    def get(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        task = _find(parse_id(task_id))
        return Response(TaskDetailSerializer(task).data)

    @swagger_auto_schema(**docs.DELETE_TASK)
    def delete(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        key = parse_id(task_id)
        if not store.delete(key):
            task = _find(key)
            advice = "its retention removes it" if task.status in TERMINAL else "cancel it instead"
            raise Conflict(
                f"The task is {task.status}; only one that has not begun can be deleted: {advice}."
            )
        return Response(status=status.HTTP_204_NO_CONTENT)


class TaskCancelView(APIView):
    """Cancel one task."""

    @swagger_auto_schema(**docs.CANCEL_TASK)
    def post(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        key = parse_id(task_id)
        has_changed = key in store.cancel([key])
        task = _find(key)
        is_terminal = task.status in TERMINAL
        if is_terminal and not has_changed:
            raise Conflict(f"The task is {task.status} already; a finished task cannot be cancelled.")
        if task.cancel_requested_at is None:
            raise Conflict("The task changed its state at this moment; send the same request again.")
        code = status.HTTP_200_OK if is_terminal else status.HTTP_202_ACCEPTED
        return Response(TaskSerializer(task).data, code)


class TaskRetryView(APIView):
    """Run a finished task again, as a new task."""

    @swagger_auto_schema(**docs.RETRY_TASK)
    def post(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        key = parse_id(task_id)
        task = store.retry(key)
        if task is None:
            old = _find(key)
            raise Conflict(
                f"The task is {old.status}; only a finished task can be repeated. Cancel it first."
            )
        return _accepted(request, task)


class OperationListView(APIView):
    """List what can run."""

    @swagger_auto_schema(**docs.LIST_OPERATIONS)
    def get(self, request: Request) -> Response:
        check_parameters(request.query_params, ())
        return Response({"results": OperationSerializer(registered(), many=True).data})
