"""The address space. Canonical paths at the root; the same ones under /api/v1/ for clients that pin a version."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, include, path, re_path, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView
from drf_yasg.views import get_schema_view
from rest_framework.authentication import SessionAuthentication

from scheduler_service import headers
from scheduler_service.audit import AuditListView
from scheduler_service.errors import DETAILS, problem_response
from scheduler_service.health_views import LiveView, ReadyView
from scheduler_service.metrics.views import MetricsView
from scheduler_service.remembered_document import RememberedGenerator

api: list[Any] = [
    path("", include("tasks_app.urls")),
    path("", include("schedules_app.urls")),
    path("audit/", AuditListView.as_view(), name="audit-list"),
]
documented = [
    path("", include(api)),
    path("health/live", LiveView.as_view(), name="health-live"),
    path("health/ready", ReadyView.as_view(), name="health-ready"),
]
# For machines whose format is not JSON: the document says nothing of these.
undocumented = [path("metrics", MetricsView.as_view(), name="metrics")]
# Open to all: the document tells of the code and of no data, and a client needs it before it has a key.
admin.site.site_header = admin.site.site_title = "Scheduler service"
admin.site.index_title = "Administration"
swagger = get_schema_view(
    public=True,
    patterns=documented,
    generator_class=RememberedGenerator,
    authentication_classes=[SessionAuthentication],
    permission_classes=[],
)


@csrf_exempt
def fallback(request: HttpRequest) -> HttpResponseBase:
    """Serve the address that differs in the last slash only, else answer 404.

    Django would redirect instead, which loses a POST's body, or raise an error when DEBUG is on.
    """
    here = request.path_info
    try:
        match = resolve(here.removesuffix("/") if here.endswith("/") else f"{here}/")
    except Resolver404:
        return problem_response(404, "not_found", DETAILS[404])
    if match.func is fallback:
        return problem_response(404, "not_found", DETAILS[404])
    request.resolver_match = match
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    return response


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="swagger"), name="root"),
    *documented,
    *undocumented,
    path("api/v1/", include(api)),
    path("swagger/", headers.with_policy(headers.SWAGGER)(swagger.with_ui("swagger")), name="swagger"),
    path("swagger.json", swagger.without_ui(), {"format": "json"}, name="swagger-json"),
    path("", include("access_app.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    re_path(r"^(?!admin/)", fallback),
]
