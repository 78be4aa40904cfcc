"""The types of the arguments of `http.request`, and what must be right about several of them together."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from tasks_app.operations.errors import ArgumentError
from tasks_app.operations.http import signing, urls
from tasks_app.operations.http.guard import Guard, Refused

MAX_HEADERS = 50
MAX_HEADER = 4096
"""Characters of one header's value."""

_BODILESS = ("GET", "HEAD")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
_RANGE = re.compile(r"([1-5])xx|([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", re.IGNORECASE)
OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        signing.ID,
        signing.TIMESTAMP,
        signing.SIGNATURE,
    }
)
"""Headers that tell how a request is sent, who sends it and to whom: the caller's own."""


def _checked_url(text: str) -> str:
    urls.parse(text)
    return text


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    seen: set[str] = set()
    for name, value in headers.items():
        key = name.lower()
        if not _TOKEN.fullmatch(name):
            raise ValueError("A header's name has letters, digits, and '-'; no spaces or colons.")
        if key in OWN_HEADERS:
            raise ValueError(f"The header {key} is set by the service; leave it out.")
        if key in seen:
            raise ValueError(f"The header {key} stands there twice; write it once.")
        if len(value) > MAX_HEADER or not _VALUE.fullmatch(value):
            raise ValueError(
                f"The value of the header {key} must be printable ASCII without line breaks or spaces around it, "
                f"at most {MAX_HEADER} characters."
            )
        seen.add(key)
    return headers


def statuses(expected: int | str | list[int | str]) -> list[range]:
    """Which statuses are a success. Raises ValueError."""
    return [_range(one) for one in (expected if isinstance(expected, list) else [expected])]


def _range(one: int | str) -> range:
    found = _RANGE.fullmatch(str(one))
    if not found:
        raise ValueError('Write a status as 201, several as "2xx" or "200-204", or a list of these.')
    if found[1]:
        return range(int(found[1]) * 100, int(found[1]) * 100 + 100)
    first, last = int(found[2]), int(found[3] or found[2])
    if last < first:
        raise ValueError("Write a range of statuses with the smaller one first.")
    return range(first, last + 1)


def _checked_statuses(expected: Any) -> Any:
    statuses(expected)
    return expected


Url = Annotated[
    str,
    Field(max_length=urls.MAX_URL, examples=["https://hooks.example.com/tasks"]),
    AfterValidator(_checked_url),
]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Headers = Annotated[dict[str, str], Field(max_length=MAX_HEADERS), AfterValidator(_checked_headers)]
Expected = Annotated[
    int | str | Annotated[list[int | str], Field(min_length=1, max_length=20)],
    Field(examples=["2xx", 201, [200, "300-399"]]),
    AfterValidator(_checked_statuses),
]
Seconds = Annotated[float, Field(ge=0.1, le=3600)]
Names = Annotated[
    list[Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$")]], Field(max_length=MAX_HEADERS)
]


def contradictions(arguments: dict[str, Any], guard: Guard) -> list[ArgumentError]:
    """What is wrong with arguments that are right one by one."""
    errors = []
    has_text = arguments.get("text") is not None
    if "json" in arguments and has_text:
        errors.append(ArgumentError(("text",), "exclusive", "Send either json or text, not both."))
    method = arguments.get("method")
    if method in _BODILESS and ("json" in arguments or has_text):
        message = f"A {method} request has no body; leave out json and text, or choose another method."
        errors.append(ArgumentError(("method",), "no_body", message))
    try:
        guard.check(urls.parse(arguments["url"]))
    except Refused as error:
        errors.append(ArgumentError(("url",), error.code, error.message))
    return errors
