"""Requests that may be sent again: the header `Idempotency-Key`, over HTTP. What is kept stands in `idempotency`."""

import hashlib
import re
from collections.abc import Callable

from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException, ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from access_app.principals import project_of
from scheduler_service.errors import Conflict
from scheduler_service.json import StrictJSONRenderer, body_digest
from tasks_app import idempotency
from tasks_app.idempotency import Kept, Key

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
PATTERN = "^[!-~]([ -~]{0,253}[!-~])?$"
"""What the header's value looks like: printable ASCII; spaces around it are none of it."""
_PRINTABLE = re.compile(PATTERN)

Write = Callable[[], Response]


class InvalidIdempotencyKey(ParseError):
    """400: the header's value cannot be a key."""

    default_code = "invalid_idempotency_key"
    default_detail = (
        f"The header {HEADER} has 1 to 255 printable ASCII characters; send a new UUID for each new request."
    )


class IdempotencyKeyReused(APIException):
    """422: the key was sent before, with another request."""

    status_code = 422
    default_code = "idempotency_key_reused"
    default_detail = (
        f"This {HEADER} was sent before with another body or query; "
        "repeat that request as it was, or send a new key."
    )


class IdempotencyKeyInFlight(Conflict):
    """409: the first request with this key has not been answered yet; `wait` (seconds) becomes Retry-After."""

    default_code = "idempotency_key_in_use"
    default_detail = (
        f"A request with this {HEADER} is being worked on; send the same request again in a moment."
    )
    wait = 1


def answer_once(request: Request, endpoint: str, prepare: Callable[[Request], Write]) -> HttpResponseBase:
    """Answer a request that creates something; one whose Idempotency-Key was answered gets that answer again.

    `prepare` checks the request and returns what creates and answers, which this calls in the transaction that keeps
    the answer. What either raises is answered as ever, and not kept. The key is looked at before the request is
    checked: a repetition is answered as the first one was, also if it would be refused by now. From there until the
    answer is kept, nobody else has the key. Raises the problems above.
    """
    key = _key(request, endpoint)
    if key is None:
        return prepare(request)()
    fingerprint = _fingerprint(request)
    if kept := idempotency.find(key):
        return _replay(kept, fingerprint)
    with idempotency.hold(key) as is_held:
        if not is_held:
            raise IdempotencyKeyInFlight
        if kept := idempotency.find(key):  # answered since the first look
            return _replay(kept, fingerprint)
        return _write_once(key, fingerprint, prepare(request))


def _write_once(key: Key, fingerprint: str, write: Write) -> HttpResponse:
    # Begun after the check: that takes seconds for a large batch, and SQLite has one writer at a time.
    with transaction.atomic():
        response = write()
        body = StrictJSONRenderer().render(response.data)
        answer = Kept(fingerprint, response.status_code, body, response.headers.get("Location", ""))
        idempotency.keep(key, answer)
    return _response(answer)


def _key(request: Request, endpoint: str) -> Key | None:
    text = request.headers.get(HEADER)
    if text is None:
        return None
    if not _PRINTABLE.fullmatch(text.strip()):
        raise InvalidIdempotencyKey
    return Key(endpoint, text.strip(), project_of(request))


def _fingerprint(request: Request) -> str:
    """Of the body's bytes and the query: a client repeats a request by sending the same bytes again."""
    query = request.META.get("QUERY_STRING", "")
    return hashlib.sha256(f"{body_digest(request)}?{query}".encode()).hexdigest()


def _replay(kept: Kept, fingerprint: str) -> HttpResponse:
    if kept.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    response = _response(kept)
    response.headers[REPLAYED] = "true"
    return response


def _response(answer: Kept) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status, content_type=StrictJSONRenderer.media_type)
    if answer.location:
        response.headers["Location"] = answer.location
    return response
