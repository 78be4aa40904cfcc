"""Tasks over HTTP. Thin: serializers check, the store writes, queries read."""

from collections.abc import Callable
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

from access_app import audit
from access_app.principals import DEFAULT_PROJECT, TASKS, project_of
from scheduler_service.errors import Conflict
from tasks_app import documentation as docs
from tasks_app import queries, quick, spelling, store, waiting
from tasks_app.batches import Fault, read_alike, read_atomic, read_batch
from tasks_app.callbacks.fields import of_query
from tasks_app.filters import StrictFilterBackend, TaskFilterSet, check_parameters
from tasks_app.ids import read_id
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


def parse_id(text: str) -> UUID:
    """The id in an address; raises NotFound for what is none, as for an id that nothing has."""
    found = read_id(text)
    if found is None:
        raise NotFound("Ids are UUIDs, such as 0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f; this one is not.")
    return found


def find_task(request: Request, task_id: UUID) -> Task:
    """The task; raises NotFound, for one of another project as for none."""
    task = queries.find(task_id, project_of(request))
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
    fields = quick.validated_alone(request.data)
    return partial(_create_task, request, NewTask(**fields, project_id=project_of(request)))


def _create_task(request: Request, new: NewTask) -> Response:
    waiting.check(request, 1)
    if new.unique_key is None:
        along = audit.along(request, "task.create", "task", [new.task_id])
        return _accepted(request, *store.create([new], along=along))
    with audit.changing(request) as note:
        [task] = store.create([new])
        is_new = task.task_id == new.task_id
        note("task.create", "task", [task.task_id] if is_new else [])
    return _accepted(request, task, is_new=is_new)


def _prepare_batch(request: Request) -> Write:
    is_atomic, project_id = read_atomic(request.query_params), project_of(request)
    callback_url = of_query(request.query_params)
    if new := read_alike(request.data, project_id, callback_url):
        return partial(_create_alike, request, new)
    batch = read_batch(request.data, is_atomic=is_atomic, project_id=project_id, callback_url=callback_url)
    return partial(_create_batch, request, *batch)


def _create_alike(request: Request, new: Alike) -> Response:
    waiting.check(request, new.size)
    with audit.changing(request) as note:
        stored = store.create_alike(new)
        note("task.create", "task", stored.column("task_id"), batch_id=stored.same.get("batch_id"))
    return Response(spelling.spell_alike(stored), status.HTTP_202_ACCEPTED)


def _create_batch(request: Request, new: list[NewTask], faults: list[Fault]) -> Response:
    waiting.check(request, len(new))
    batch_id = str(new[0].batch_id) if new else None
    with audit.changing(request) as note:
        stored = store.create(new)
        made = {item.task_id for item in new}
        note("task.create", "task", [t.task_id for t in stored if t.task_id in made], batch_id=batch_id)
    answer = spelling.spell_all(stored, errors=faults, batch_id=batch_id)
    return Response(answer, status.HTTP_202_ACCEPTED)


class TaskListView(generics.GenericAPIView):
    """List tasks, and create one."""

    scopes = TASKS
    serializer_class = TaskSerializer
    filter_backends = [StrictFilterBackend]
    filterset_class = TaskFilterSet
    pagination_class = KeysetPagination
    orderings = ORDERINGS
    heavy = queries.HEAVY
    filterset: TaskFilterSet

    def get_queryset(self) -> QuerySet[Task]:
        return queries.of_project(project_of(self.request))

    def walked(self) -> QuerySet[Task] | None:
        """The tasks among which those of the list have to be searched."""
        return self.filterset.walked(project_of(self.request))

    def glance(self) -> Callable[[Task], bool] | None:
        """Where only other projects have tasks that are not of the list: whether one is of the list's."""
        is_own = project_of(self.request).__eq__
        return (lambda task: is_own(task.project_id)) if self.filterset.is_in_project_only else None

    def leading(self) -> tuple[str, ...]:
        """What the list is in the order of before the ids: so only the index of projects has it in order."""
        has_index = project_of(self.request) != DEFAULT_PROJECT and not self.filterset.is_in_few
        return ("project_id",) if has_index else ()

    def parts(self, queryset: QuerySet[Task], field: str) -> list[QuerySet[Task]]:
        """The list, in one part per status where their index has each of them in order."""
        if field != "finished_at" or "ids" in self.filterset.given:
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

    scopes = TASKS

    @swagger_auto_schema(**docs.CREATE_BATCH)
    def post(self, request: Request) -> HttpResponseBase:
        return answer_once(request, "tasks/batch-request", _prepare_batch)


class TaskDetailView(APIView):
    """One task."""

    scopes = TASKS

    @swagger_auto_schema(**docs.READ_TASK)
    def get(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        task = find_task(request, parse_id(task_id))
        return Response(TaskDetailSerializer(task).data)

    @swagger_auto_schema(**docs.DELETE_TASK)
    def delete(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        key = parse_id(task_id)
        with audit.changing(request) as note:
            is_deleted = store.delete(key, project_id=project_of(request))
            note("task.delete", "task", [key] if is_deleted else [])
        if not is_deleted:
            task = find_task(request, key)
            advice = "its retention removes it" if task.status in TERMINAL else "cancel it instead"
            raise Conflict(
                f"The task is {task.status}; only one that has not begun can be deleted: {advice}."
            )
        return Response(status=status.HTTP_204_NO_CONTENT)


class TaskCancelView(APIView):
    """Cancel one task."""

    scopes = TASKS

    @swagger_auto_schema(**docs.CANCEL_TASK)
    def post(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        key = parse_id(task_id)
        with audit.changing(request) as note:
            has_changed = key in store.cancel([key], project_id=project_of(request))
            note("task.cancel", "task", [key] if has_changed else [])
        task = find_task(request, key)
        is_terminal = task.status in TERMINAL
        if is_terminal and not has_changed:
            raise Conflict(f"The task is {task.status} already; a finished task cannot be cancelled.")
        if task.cancel_requested_at is None:
            raise Conflict("The task changed its state at this moment; send the same request again.")
        code = status.HTTP_200_OK if is_terminal else status.HTTP_202_ACCEPTED
        return Response(TaskSerializer(task).data, code)


class TaskRetryView(APIView):
    """Run a finished task again, as a new task."""

    scopes = TASKS

    @swagger_auto_schema(**docs.RETRY_TASK)
    def post(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        key = parse_id(task_id)
        waiting.check(request, 1)
        with audit.changing(request) as note:
            task = store.retry(key, project_id=project_of(request))
            note("task.retry", "task", [task.task_id] if task else [], retry_of=key)
        if task is None:
            old = find_task(request, key)
            raise Conflict(
                f"The task is {old.status}; only a finished task can be repeated. Cancel it first."
            )
        return _accepted(request, task)


class OperationListView(APIView):
    """List what can run."""

    scopes = TASKS

    @swagger_auto_schema(**docs.LIST_OPERATIONS)
    def get(self, request: Request) -> Response:
        check_parameters(request.query_params, ())
        return Response({"results": OperationSerializer(registered(), many=True).data})
