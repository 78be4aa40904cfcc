"""The log of callbacks over HTTP."""

from typing import Any

from drf_yasg.utils import swagger_auto_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access_app.principals import TASKS
from scheduler_service.swagger import answer
from tasks_app.callbacks.log import deliveries_of
from tasks_app.callbacks.serializers import DELIVERY, DeliveryListSerializer, DeliverySerializer
from tasks_app.filters import check_parameters
from tasks_app.views import find_task, parse_id

LIST_CALLBACKS: dict[str, Any] = {
    "operation_id": "tasks_callbacks",
    "operation_summary": "See what became of a task's callback",
    "operation_description": (
        "What told the task's `callback_url` of its end, with every attempt. Empty as long as the task has not ended, "
        "and for tasks without a `callback_url`. The telling is a task itself; "
        "`POST /tasks/{delivery_task_id}/retry/` "
        "sends it again once it has ended."
    ),
    "responses": {200: answer("All deliveries.", DeliveryListSerializer, {"results": [DELIVERY]})},
    "tags": ["tasks"],
}


class TaskCallbacksView(APIView):
    """The deliveries of a task's end."""

    scopes = TASKS

    @swagger_auto_schema(**LIST_CALLBACKS)
    def get(self, request: Request, task_id: str) -> Response:
        check_parameters(request.query_params, ())
        task = find_task(request, parse_id(task_id))
        return Response({"results": DeliverySerializer(deliveries_of(task), many=True).data})
