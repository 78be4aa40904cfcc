"""The ORM way over HTTP: a serializer, an insert, one message per task."""

from django.urls import path
from rest_framework import serializers, status
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.peers.standard.celery import app
from bench.peers.standard.models import Task


class TaskSerializer(serializers.ModelSerializer):
    """What a client may say, and what it is told."""

    operation = serializers.ChoiceField(["bench.add", "bench.stamp"])
    priority = serializers.IntegerField(min_value=0, max_value=9, default=5)

    class Meta:
        model = Task
        fields = ["id", "operation", "arguments", "priority", "status", "created_at"]
        read_only_fields = ["id", "status", "created_at"]


def send(task):
    """One message."""
    app.tasks[task.operation].apply_async(kwargs=task.arguments, task_id=str(task.id))


class TasksView(APIView):
    """One task."""

    def post(self, request):
        serializer = TaskSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        task = serializer.save()
        send(task)
        return Response(serializer.data, status.HTTP_202_ACCEPTED)


class BatchView(APIView):
    """Many tasks."""

    def post(self, request):
        serializer = TaskSerializer(data=request.data, many=True)
        serializer.is_valid(raise_exception=True)
        tasks = Task.objects.bulk_create(Task(**item) for item in serializer.validated_data)
        for task in tasks:
            send(task)
        return Response(TaskSerializer(tasks, many=True).data, status.HTTP_202_ACCEPTED)


urlpatterns = [path("tasks/", TasksView.as_view()), path("tasks/batch-request/", BatchView.as_view())]
