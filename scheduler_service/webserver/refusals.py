"""Answers to requests that never reach Django: problems (RFC 9457), spelled without it."""

import json
from http import HTTPStatus

import uuid_utils
from gunicorn.http import errors

from scheduler_service.webserver.arrival import HEAD_TOO_LARGE, LINE_TOO_LONG, Refusal

TOO_SLOW = Refusal(
    408, "request_timeout", "The request did not come whole in time; send it again over a better connection."
)
ENDED_EARLY = Refusal(400, "incomplete_request", "The request ended before its end; send it again, whole.")
MALFORMED = Refusal(
    400,
    "malformed_request",
    "This is no HTTP/1.1 request that the service can read; send it through an HTTP library.",
)
FAILED = Refusal(500, "server_error", "This is a fault of the service, not of the request.")

_BY_ERROR: tuple[tuple[type[Exception], Refusal], ...] = (
    (errors.LimitRequestLine, LINE_TOO_LONG),
    (errors.LimitRequestHeaders, HEAD_TOO_LARGE),
    (
        errors.ExpectationFailed,
        Refusal(
            417, "expectation_failed", "Only `Expect: 100-continue` is understood; leave the header out."
        ),
    ),
    (
        errors.UnsupportedTransferCoding,
        Refusal(
            400, "unknown_transfer_coding", "The only Transfer-Encoding is chunked; or send a Content-Length."
        ),
    ),
    (
        errors.InvalidRequestMethod,
        Refusal(400, "malformed_request", "This is no method; send one in capitals, such as GET or POST."),
    ),
    (
        errors.InvalidHeaderName,
        Refusal(400, "malformed_header", "A header's name is none; send letters, digits and hyphens."),
    ),
    (
        errors.InvalidHeader,
        Refusal(400, "malformed_header", "A header is malformed, stands twice, or contradicts another one."),
    ),
    (errors.ParseException, MALFORMED),
    (errors.NoMoreData, ENDED_EARLY),
)


def of(error: BaseException) -> Refusal:
    """What is answered to this error of gunicorn's; FAILED for what is no fault of the client."""
    if isinstance(error, (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)):
        return FAILED
    return next((refusal for kind, refusal in _BY_ERROR if isinstance(error, kind)), FAILED)


def answer(refusal: Refusal) -> tuple[str, bytes]:
    """The id of the request, which the client is told, and the answer as it goes over the wire."""
    # gunicorn imports its worker's class before Django is set up.
    from scheduler_service import headers
    from scheduler_service.errors import PROBLEM_JSON, problem

    body = json.dumps(problem(refusal.status, refusal.code, refusal.detail)).encode()
    request_id = str(uuid_utils.uuid4())
    fields = {
        "Connection": "close",
        "Content-Type": PROBLEM_JSON,
        "Content-Length": str(len(body)),
        "X-Request-ID": request_id,
        headers.CSP: headers.NO_PAGE,
        **headers.EVERYWHERE,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    line = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
    return request_id, f"{line}{head}\r\n".encode() + body
