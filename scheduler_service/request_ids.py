"""The id of a request: the client's or proxy's own `X-Request-ID`, or a new one; answered back, and logged."""

import re
from collections.abc import Callable

import uuid_utils
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from scheduler_service import logs

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
"""What is taken over. Anything else could break a log's lines, or fill them."""


def request_id(given: str | None) -> str:
    """The id that a request came with if it is sane, else a new one."""
    return given if given is not None and SANE.fullmatch(given) else str(uuid_utils.uuid4())


class RequestIdMiddleware:
    """Must be the outermost middleware: every answer has the header, and every line the id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        found = request_id(request.META.get("HTTP_X_REQUEST_ID"))
        with logs.bound(request_id=found):
            response = self.get_response(request)
        response.headers[HEADER] = found
        return response
