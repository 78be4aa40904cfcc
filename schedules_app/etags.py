"""Entity tags of one schedule (RFC 9110, 8.8.3 and 13.1): `"3-9f86d081884c"` is revision 3, and a digest of the answer.

A tag has to change with every byte that an answer shows, and firing changes some; but only a change of the revision
may get into the way of an edit. So `If-None-Match` compares whole tags and `If-Match` the revisions alone; a client
that knows the revision may also send `"3"`.
"""

import hashlib
import json
import re
from typing import Any

from django.http.response import HttpResponse, HttpResponseBase
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_service.json import StrictJSONRenderer

_TAG = re.compile(r'(?:W/)?"[^"]*"')
_TAGS = re.compile(rf"\s*{_TAG.pattern}(?:\s*,\s*{_TAG.pattern})*\s*")
_REVISION = re.compile(r'"(\d{1,10})(?:-[0-9a-f]*)?"', re.ASCII)


class PreconditionFailed(APIException):
    """412: the schedule has been changed since the client read it."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "precondition_failed"
    default_detail = (
        "If-Match names another revision; read the schedule again, and repeat your change if it still fits."
    )


def tag_of(body: bytes) -> str:
    """The tag of the JSON of one schedule."""
    revision = json.loads(body)["revision"]
    return f'"{revision}-{hashlib.sha256(body).hexdigest()[:12]}"'


def tagged(response: HttpResponseBase) -> HttpResponseBase:
    """The answer with its tag, if it is a good one; it shows one schedule."""
    if status.is_success(response.status_code):
        response.headers["ETag"] = tag_of(_body(response))
    return response


def _body(response: HttpResponseBase) -> bytes:
    if isinstance(response, Response):
        return StrictJSONRenderer().render(response.data)
    # As a kept answer is sent; see tasks_app.repetition.
    assert isinstance(response, HttpResponse)  # for the type checker
    return response.content


def unless_known(request: Request, response: Response) -> Response:
    """The answer, or 304 when the client says in If-None-Match that it has it already."""
    tag = tagged(response).headers["ETag"]
    asked = request.headers.get("If-None-Match", "")
    # RFC 9110, 13.1.2: compared weakly.
    known = {found.removeprefix("W/") for found in _TAG.findall(asked)}
    if tag not in known and asked.strip() != "*":
        return response
    return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})


def check_match(request: Request, revision: int) -> None:
    """Raise PreconditionFailed when the client says in If-Match that it changes another revision."""
    asked: Any = request.headers.get("If-Match")
    if asked is None or asked.strip() == "*":
        return
    if not _TAGS.fullmatch(asked):
        raise PreconditionFailed
    # RFC 9110, 13.1.1: compared strongly, so a weak tag never matches.
    tags = [tag for tag in _TAG.findall(asked) if not tag.startswith("W/")]
    revisions = {found[1] for tag in tags if (found := _REVISION.fullmatch(tag))}
    if str(revision) not in revisions:
        raise PreconditionFailed
