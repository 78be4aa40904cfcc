"""Every error answer of the service: RFC 9457 problems, as `application/problem+json`.

A problem has `type`, `title`, `status`, a machine-readable `code`, a `detail` that says what to do, and
`errors`: one entry per fault of a request, each with its own `code` and `detail` and where it lies: `pointer`
(a JSON Pointer in URI fragment form, such as `#/tags/0`) into the body, or the query `parameter`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from django.core.exceptions import BadRequest, DisallowedHost, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

PROBLEM_JSON = "application/problem+json"
MOST_ERRORS = 100
"""How many faults of one request are listed; their number is told."""

MOST_CHARACTERS = 500
"""Of a text that quotes the request."""

HTML_PATHS = ("/admin/", "/swagger/", "/static/", "/login", "/logout")
"""Where people look with a browser: error pages there stay HTML."""

DETAILS = {
    400: "The service cannot read this request; compare it with /swagger/.",
    403: "This is not allowed.",
    404: "Nothing is found at this address; see /swagger/ for those that exist.",
    405: "This address does not take this method.",
    500: "This is a fault of the service, not of the request; it is in the service's log.",
    503: "The database cannot be reached right now; send the same request again in a few seconds.",
}


class Conflict(exceptions.APIException):
    """409: the request is fine, but the state of what it names does not allow it."""

    status_code = 409
    default_code = "conflict"
    default_detail = "The state of this resource does not allow this."


class ServiceUnavailable(exceptions.APIException):
    """503: the database cannot be reached; `wait` (seconds) becomes the header Retry-After."""

    status_code = 503
    default_code = "unavailable"
    default_detail = DETAILS[503]
    wait = 5


class QueryError(exceptions.ValidationError):
    """400 for query parameters: `detail` maps each wrong parameter to what is wrong with it."""


def problem(
    status: int, code: str, detail: str, errors: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The body of an error answer."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": errors or [],
    }


def problem_response(status: int, code: str, detail: str) -> HttpResponse:
    """An error answer outside of DRF."""
    body = json.dumps(problem(status, code, detail)).encode()
    # Some of these are answered outside of the middleware that adds the length.
    headers = {"Content-Length": str(len(body))}
    return HttpResponse(body, status=status, content_type=PROBLEM_JSON, headers=headers)


def flatten(
    detail: Any, path: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], exceptions.ErrorDetail]]:
    """Each fault in a ValidationError's nested `detail`, with its path in the body."""
    if isinstance(detail, exceptions.ErrorDetail):
        yield path, detail
    elif isinstance(detail, Mapping):
        for key, inner in detail.items():
            yield from flatten(inner, path if key == api_settings.NON_FIELD_ERRORS_KEY else (*path, key))
    else:
        for index, inner in enumerate(detail):
            is_fault_of_this = isinstance(inner, exceptions.ErrorDetail)
            yield from flatten(inner, path if is_fault_of_this else (*path, index))


def pointer(path: tuple[Any, ...]) -> str:
    """A JSON Pointer (RFC 6901) as a URI fragment: `#/arguments/url`; `#` is the whole body."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return _short("#" + "".join("/" + quote(step, safe="~!$&'()*+,;=:@", errors="replace") for step in steps))


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def error_items(detail: Any, path: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    """The entries of `errors` for a ValidationError's `detail` about the part of the body at `path`."""
    return [
        {"code": fault.code, "detail": _short(fault), "pointer": pointer(where)}
        for where, fault in flatten(detail, path)
    ]


def _query_items(detail: Any) -> list[dict[str, Any]]:
    return [
        {"code": fault.code, "detail": _short(fault), "parameter": _short(str(where[0])) if where else ""}
        for where, fault in flatten(detail)
    ]


class ProblemFormatter(ExceptionFormatter):
    """Turns an APIException into a problem."""

    def run(self) -> dict[str, Any]:
        exc = self.exc
        if isinstance(exc, exceptions.ValidationError):
            items = _query_items(exc.detail) if isinstance(exc, QueryError) else error_items(exc.detail)
            summary = self._summary(items)
            return problem(exc.status_code, "validation_error", summary, items[:MOST_ERRORS])
        return problem(exc.status_code, str(exc.get_codes()), self._detail())

    @staticmethod
    def _summary(items: list[dict[str, Any]]) -> str:
        if len(items) == 1:
            where = items[0].get("parameter") or items[0].get("pointer", "#")[2:]
            return f"{where}: {items[0]['detail']}" if where else items[0]["detail"]
        listed = "each one is" if len(items) <= MOST_ERRORS else f"the first {MOST_ERRORS} are"
        return f"The request has {len(items)} errors; {listed} listed in `errors`."

    def _detail(self) -> str:
        exc = self.exc
        if isinstance(exc, exceptions.MethodNotAllowed):
            allowed = ", ".join(self.context["view"].allowed_methods)
            return f"{exc.detail} This address takes {allowed}."
        if isinstance(exc, exceptions.UnsupportedMediaType):
            return f"{exc.detail} Send the body with Content-Type: application/json."
        if isinstance(exc, exceptions.NotAcceptable):
            return f"{exc.detail} This address answers application/json."
        return str(exc.detail)


class ProblemHandler(ExceptionHandler):
    """Turns any exception of an API view into an answer; only unforeseen ones become a 500."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, (OperationalError, InterfaceError)):
            return ServiceUnavailable()
        if isinstance(exc, Http404):
            return exceptions.NotFound(DETAILS[404])
        if isinstance(exc, UnreadablePostError):
            return exceptions.ParseError("The body ended before its Content-Length; send it again.")
        if isinstance(exc, (SuspiciousOperation, BadRequest)):
            return exceptions.ParseError(DETAILS[400])
        return super().convert_known_exceptions(exc)

    def convert_unhandled_exceptions(self, exc: Exception) -> exceptions.APIException:
        if isinstance(exc, exceptions.APIException):
            return exc
        return exceptions.APIException(DETAILS[500], code="server_error")

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        return Response(data, exc.status_code, headers=self.get_headers(exc), content_type=PROBLEM_JSON)


class ProblemMiddleware:
    """Replaces Django's HTML error pages (unknown host, CSRF, a failure outside of the API's views).

    It must be outside of all middleware that can refuse. With DEBUG on, Django answers such errors without asking
    `handler400` and its kin, so a middleware is the one place that covers development and production alike.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/")
        if response.status_code < 400 or not is_page or request.path_info.startswith(HTML_PATHS):
            return response
        return _as_problem(request, response)


def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    status = response.status_code
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    detail = DETAILS.get(status, HTTPStatus(status).description or HTTPStatus(status).phrase)
    try:
        request.get_host()
    except DisallowedHost:
        code, detail = "unknown_host", "The Host header names no host of this service (see ALLOWED_HOSTS)."
    answer = problem_response(status, code, detail)
    for header in ("Allow", "Retry-After"):
        if header in response.headers:
            answer.headers[header] = response.headers[header]
    return answer
