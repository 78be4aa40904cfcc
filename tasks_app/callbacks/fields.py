"""Where the end of a task is told: `callback_url` in requests, held to what `http.request` holds its `url` to."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail, ValidationError

from scheduler_service.errors import QueryError
from tasks_app.fields import SLOW, StrictCharField
from tasks_app.operations.http import guard, urls
from tasks_app.operations.http.guard import Refused

NAME = "callback_url"
HELP = (
    "Where a signed POST tells that the task has ended, whatever ended it; as the `url` of `http.request`: no name or "
    "password, and only addresses that are open to the workers. null: nowhere."
)


SCHEMA = {"format": "uri", "pattern": "^[Hh][Tt]{2}[Pp][Ss]?://[!-~]+$"}
"""For the API's document; whether a host is open to the workers, no pattern tells."""


class RefusedCallbackUrl(ValueError):
    """A callback cannot be sent there; `code` says why, the message what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check(url: str) -> None:
    """Raise RefusedCallbackUrl unless a request may be sent there, as far as the URL itself tells."""
    try:
        guard.of(settings.CONFIG).check(urls.parse(url))
    except Refused as error:
        raise RefusedCallbackUrl(error.code, error.message) from None
    except ValueError as error:
        raise RefusedCallbackUrl("invalid", str(error)) from None


class CallbackUrlField(StrictCharField):
    """A URL that `http.request` would take."""

    class Meta:
        swagger_schema_fields = SCHEMA

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=urls.MAX_URL, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            check(text)
        except RefusedCallbackUrl as error:
            raise ValidationError(str(error), error.code) from None
        return text

    def quick(self, data: Any) -> Any:
        config = settings.CONFIG
        is_taken = type(data) is str and _is_taken(data, config.http_allowed_ports, config.http_allowed_hosts)
        return data if is_taken else SLOW


def of_query(parameters: QueryDict) -> str | None:
    """The query parameter `callback_url`. Raises QueryError."""
    url = parameters.get(NAME)
    if url is None:
        return None
    try:
        check(url)
    except RefusedCallbackUrl as error:
        raise QueryError({NAME: [ErrorDetail(str(error), error.code)]}) from None
    return url


# Most tasks of a batch have the same. By the settings, which tests change.
@lru_cache(maxsize=1024)
def _is_taken(url: str, ports: tuple[int, ...], hosts: tuple[str, ...]) -> bool:
    try:
        check(url)
    except RefusedCallbackUrl:
        return False
    return True
