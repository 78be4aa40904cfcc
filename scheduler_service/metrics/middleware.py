"""Counts requests and their time. Inside of the request's id alone, so that it sees what the client gets."""

import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from scheduler_service.metrics import counts
from scheduler_service.metrics.catalog import HTTP_IN_FLIGHT, HTTP_REQUESTS

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
OTHER = "other"
_BEGUN = (((HTTP_IN_FLIGHT.name,), 1.0),)
_ENDED = ((HTTP_IN_FLIGHT.name,), -1.0)


class MetricsMiddleware:
    """One observation for each request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun_at = time.perf_counter()
        counts.add(_BEGUN)
        status = 500
        try:
            response = self.get_response(request)
            status = response.status_code
        finally:
            seconds = time.perf_counter() - begun_at
            labels = (_method(request), route(request), f"{status // 100}xx")
            counts.add([_ENDED, *counts.observations(HTTP_REQUESTS, labels, [seconds])])
        return response


def _method(request: HttpRequest) -> str:
    return request.method if request.method in METHODS else OTHER


def route(request: HttpRequest) -> str:
    """The pattern of the address that served a request; `other` where none did: unknown addresses, static files."""
    match = request.resolver_match
    # The patterns with a regular expression are what is left for addresses that nobody knows.
    return OTHER if match is None or match.route.startswith("^") else f"/{match.route}"
