"""`http.request`: an HTTP request as a task, so that a program in any language can be called."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from pydantic import JsonValue

from scheduler_service.config import CALLBACK_QUEUE
from scheduler_service.json import dumps
from tasks_app.operations.context import Context
from tasks_app.operations.errors import InvalidArguments
from tasks_app.operations.http import guard, lookup, signing, urls, verdict
from tasks_app.operations.http.arguments import (
    Expected,
    Headers,
    Method,
    Names,
    Seconds,
    Url,
    contradictions,
    statuses,
)
from tasks_app.operations.http.exchange import Answer, Broken, exchange
from tasks_app.operations.http.patience import DeadlinePassed, Patience
from tasks_app.operations.http.urls import Target
from tasks_app.operations.registry import Operation, add, operation, resolve

NAME = "http.request"
DEFAULT_SECONDS = 30.0
CALLBACK_ID = "callback_"
"""What the `webhook-id` of a callback begins with."""
_NO_BODY: Any = object()  # `null` is a body, too


class HttpRequest(Operation):
    """Also checks arguments against each other and against the settings, before a task is stored."""

    def validate(self, text: str, arguments: dict[str, Any], *, is_json: bool = False) -> dict[str, Any]:
        stored = super().validate(text, arguments, is_json=is_json)
        if errors := contradictions(arguments, guard.of(settings.CONFIG)):
            raise InvalidArguments(errors)
        return stored

    def keeps_all(self, arguments: Sequence[dict[str, Any]], texts: Sequence[str]) -> bool:
        return False


@operation(NAME)
def request(
    url: Url,
    context: Context,
    method: Method = "POST",
    headers: Headers | None = None,
    json: JsonValue = _NO_BODY,
    text: str | None = None,
    expected_status: Expected = "2xx",
    timeout_seconds: Seconds = DEFAULT_SECONDS,
    keep_headers: Names | None = None,
    sign: bool = True,
    retry_status: Expected | None = None,
) -> dict[str, Any]:
    """Sends an HTTP request, and keeps status, headers and body of the answer.

    `timeout_seconds` is for the whole exchange. Raises Refused, HttpStatus, HttpFailure, RetryAt.
    """
    config = settings.CONFIG
    target = urls.parse(url)
    body, content_type = _body(json, text)
    if body is None and method in ("POST", "PUT", "PATCH"):
        body = b""
    sent = {**_defaults(content_type), **{name.lower(): value for name, value in (headers or {}).items()}}
    if sign:
        sent |= _signature(target, body, context)
    patience = Patience(timeout_seconds, context.check_cancelled)
    answer = _exchange(target, method, sent, body, patience)
    retried = statuses(retry_status) if retry_status is not None else ()
    verdict.settle(
        answer, statuses(expected_status), retried, _named(method, target), config.retry_cap_seconds
    )
    return verdict.result(answer, keep_headers or (), config.max_result_bytes)


def _body(json: JsonValue, text: str | None) -> tuple[bytes | None, str | None]:
    if text is not None:
        return text.encode(), "text/plain; charset=utf-8"
    if json is _NO_BODY:
        return None, None
    return dumps(json).encode(), "application/json"


def _defaults(content_type: str | None) -> dict[str, str]:
    own = {"user-agent": "scheduler-service", "accept": "*/*"}
    return own | {"content-type": content_type} if content_type else own


def _signature(target: Target, body: bytes | None, context: Context) -> dict[str, str]:
    keys = signing.keys_for(target.host, settings.CONFIG.http_signing_secrets)
    # The id is signed, and no request can set it or the queue: so a receiver knows what is a callback.
    message_id = f"{CALLBACK_ID if context.queue == CALLBACK_QUEUE else ''}{context.task_id}"
    return signing.headers(message_id, int(time.time()), body or b"", keys)


def _exchange(
    target: Target, method: str, headers: Mapping[str, str], body: bytes | None, patience: Patience
) -> Answer:
    config, named = settings.CONFIG, _named(method, target)
    policy = guard.of(config)
    policy.check(target)  # before the name's lookup, which tells its server something
    try:
        addresses = lookup.addresses(target, patience)
        policy.admit(target, addresses)
        most = config.http_max_response_bytes
        return exchange(target, addresses, method, headers, body, patience=patience, most=most)
    except DeadlinePassed:
        message = f"{named} had no complete answer within {patience.seconds:g} s."
        raise verdict.HttpFailure(message) from None
    except (OSError, Broken, UnicodeError) as error:
        raise verdict.HttpFailure(f"{named} failed: {error}") from error


def _named(method: str, target: Target) -> str:
    # Without the path, which is as good as a password for some receivers.
    return f"{method} to {target.authority}"


add(HttpRequest(**vars(resolve(NAME))))
