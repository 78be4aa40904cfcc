"""`/metrics`, for Prometheus."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.generic import View

from scheduler_service.errors import problem_response
from scheduler_service.metrics import catalog, counts, exposition, gauges
from scheduler_service.metrics.access import REALM, are_served, is_allowed
from scheduler_service.metrics.build import build

_SET_A_TOKEN = "Metrics are not served without METRICS_TOKEN; set it, and send it as a bearer token."  # noqa: S105
_SEND_IT = "Send METRICS_TOKEN as a bearer token: Authorization: Bearer …"


class MetricsView(View):
    """What all processes of the folder have counted, and what the database says now."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer in the format that the client asks for, else in Prometheus' text format."""
        if not are_served(settings.CONFIG, is_open=settings.METRICS_ARE_OPEN):
            return problem_response(404, "metrics_are_off", _SET_A_TOKEN)
        if not is_allowed(settings.CONFIG, request.headers.get("Authorization", "")):
            refused = problem_response(401, "not_authenticated", _SEND_IT)
            refused.headers["WWW-Authenticate"] = REALM
            return refused
        families = [
            exposition.info(catalog.BUILD, build()),
            *gauges.families(),
            *exposition.counted(counts.totals()),
        ]
        accept, encoding = (request.headers.get(name, "") for name in ("Accept", "Accept-Encoding"))
        headers, body = exposition.answer(families, accept, encoding)
        return HttpResponse(body, headers={**headers, "Cache-Control": "no-store"})
