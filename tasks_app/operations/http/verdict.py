"""What an answer means for the task: a result, another attempt, or the end."""

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from scheduler_service.json import encoded_size
from tasks_app.operations.errors import DoNotRetry, Retry, RetryAt
from tasks_app.operations.http.exchange import Answer

KEPT_HEADERS = frozenset(
    {
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "etag",
        "last-modified",
        "location",
        "retry-after",
        "x-request-id",
    }
)
"""Headers of an answer that every result has, if the answer has them."""
MAX_HEADER = 4096
"""Characters of a header's value that are kept."""
_SHOWN = 300
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class HttpFailure(Retry):
    """The receiver could not be reached, or did not answer, or is not well."""

    code = "http_failure"


class HttpStatus(DoNotRetry):
    """The receiver's answer is not the expected one, and would be the same again."""

    code = "http_status"


def settle(
    answer: Answer, expected: Iterable[range], retried: Iterable[range], request: str, longest_wait: float
) -> None:
    """Return if the status is expected; else raise RetryAt, HttpFailure or HttpStatus.

    `retried` are the statuses below 500 that another attempt may change;
    `request` names it in the message; `longest_wait` in seconds bounds what the receiver asks for.
    """
    if any(answer.status in statuses for statuses in expected):
        return
    may_change = answer.status >= 500 or any(answer.status in statuses for statuses in retried)
    error = _error(answer, _message(answer, request), longest_wait, may_change=may_change)
    error.details["response_status"] = answer.status
    raise error


def _error(
    answer: Answer, message: str, longest_wait: float, *, may_change: bool
) -> HttpFailure | HttpStatus | RetryAt:
    if answer.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        now = datetime.now(UTC)
        seconds = retry_after(answer.headers.get("retry-after", ""), now)
        if seconds is not None:
            return RetryAt(now + timedelta(seconds=min(seconds, longest_wait)), message)
        return HttpFailure(message)
    return HttpFailure(message) if may_change else HttpStatus(message)


def retry_after(value: str, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for; None if it asks for nothing, or for a time that is over."""
    if re.fullmatch(r"[0-9]{1,10}", value):
        seconds = float(value)
    else:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    return seconds if seconds > 0 else None


def result(answer: Answer, asked: Sequence[str], most: int) -> dict[str, Any]:
    """What is kept of an answer, in at most `most` bytes of JSON: its body is cut where it would be more."""
    names = KEPT_HEADERS | {name.lower() for name in asked}
    headers = {
        name: _line(value)[:MAX_HEADER] for name, value in answer.headers.items() if name.lower() in names
    }
    body, truncated = answer.body, answer.truncated
    while True:
        text, encoding = _text(body, truncated)
        kept = {
            "status": answer.status,
            "headers": headers,
            "body": text,
            "body_encoding": encoding,
            "truncated": truncated,
        }
        if encoded_size(kept) <= most or not (body or headers):
            return kept
        if not body:
            headers = {}
        body, truncated = body[: len(body) // 2], True


def _text(body: bytes, truncated: bool) -> tuple[str, str]:
    # A cut may have parted a character: up to three bytes of it are left over.
    for end in range(len(body), max(len(body) - 4, -1) if truncated else len(body) - 1, -1):
        try:
            text = body[:end].decode("utf-8")
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text, "utf-8"
    return base64.b64encode(body).decode("ascii"), "base64"


def _message(answer: Answer, request: str) -> str:
    parts = [f"{request} was answered with {answer.status}{_phrase(answer.status)}."]
    if 300 <= answer.status < 400:
        parts.append("Redirects are not followed: send to the final address.")
    text, encoding = _text(answer.body[:_SHOWN], truncated=True)
    if encoding == "utf-8" and (shown := _line(text).strip()):
        parts.append(f"The answer: {shown}")
    return " ".join(parts)


def _phrase(status: int) -> str:
    return f" {HTTPStatus(status).phrase}" if status in HTTPStatus._value2member_map_ else ""


def _line(text: str) -> str:
    return _CONTROLS.sub(" ", text)
