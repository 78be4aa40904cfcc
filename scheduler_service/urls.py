"""The address space. Canonical paths at the root; the same ones under /api/v1/ for clients that pin a version."""

from django.contrib import admin
from django.urls import include, path

api = [
    path("", include("tasks_app.urls")),
    path("", include("schedules_app.urls")),
]

urlpatterns = [
    path("", include(api)),
    path("api/v1/", include(api)),
    path("admin/", admin.site.urls),
]
