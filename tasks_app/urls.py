"""Addresses of tasks and operations."""

from django.urls import path

from tasks_app import views
from tasks_app.callbacks.views import TaskCallbacksView

urlpatterns = [
    path("tasks/", views.TaskListView.as_view(), name="task-list"),
    path("tasks/batch-request/", views.TaskBatchView.as_view(), name="task-batch"),
    path("tasks/<str:task_id>/", views.TaskDetailView.as_view(), name="task-detail"),
    path("tasks/<str:task_id>/cancel/", views.TaskCancelView.as_view(), name="task-cancel"),
    path("tasks/<str:task_id>/retry/", views.TaskRetryView.as_view(), name="task-retry"),
    path("tasks/<str:task_id>/callbacks/", TaskCallbacksView.as_view(), name="task-callbacks"),
    path("operations/", views.OperationListView.as_view(), name="operation-list"),
]
