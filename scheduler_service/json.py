"""JSON as this service accepts, stores and answers it: what both databases and all clients can hold.

One validator serves requests and results. PostgreSQL's `jsonb` refuses NUL characters, lone surrogates and
infinities; other languages' integers end at 64 bits; deep nesting breaks recursive readers.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import IO, Any

from django.conf import settings
from django.http.request import UnreadablePostError
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from scheduler_service import plain_json

MAX_DEPTH = 64
"""Levels of arrays and objects that one value may have; `[]` has one."""

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)

_SHOWN_CHARACTERS = 60

_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
# What `_COMPACT.encode` makes anew for each value, which takes longer than to write a small one. Checked values have
# no circles to look for. Only CPython has it.
_encode = c_make_encoder and c_make_encoder(
    None, _COMPACT.default, encode_basestring, None, ":", ",", False, False, False
)

Path = tuple[str | int, ...]


class InvalidJSON(ValueError):
    """A value that the service does not take.

    `path` leads to it (keys and indexes), `code` is one of `too_deep`, `nul_character`, `lone_surrogate`,
    `integer_out_of_range`, `not_finite`, `not_json`.
    """

    def __init__(self, path: Path, code: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.code = code
        self.message = message


class PayloadTooLarge(APIException):
    status_code = 413
    default_code = "payload_too_large"
    default_detail = "The body is too large; send it in smaller parts."


class EncodedBody(APIException):
    status_code = 415
    default_code = "unsupported_content_encoding"
    default_detail = "The body has a Content-Encoding; send it as plain JSON, without that header."


class StrictJSONParser(BaseParser):
    """Reads a request's JSON body as UTF-8, whatever charset the request claims (RFC 8259 allows no other).

    Raises PayloadTooLarge, EncodedBody and ParseError; each says where the fault is and what would do.
    """

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        request = (parser_context or {}).get("request")
        if request and request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise EncodedBody
        body = _read(stream)
        if request:
            request.body_sha256 = hashlib.sha256(body).hexdigest()
        return _decode(body)


@dataclass(frozen=True, slots=True)
class Spelled:
    """An answer that is compact JSON already; `text` must be of checked values, as StrictJSONRenderer writes them."""

    text: str


class StrictJSONRenderer(JSONRenderer):
    """Writes JSON, also when an answer quotes a request's text that UTF-8 cannot hold."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        context = renderer_context or {}
        try:
            if isinstance(data, Spelled) and self.get_indent(accepted_media_type or "", context) is None:
                return _without_line_separators(data.text).encode()
            return super().render(_unspelled(data), accepted_media_type, context)
        except UnicodeEncodeError:
            return _EscapingRenderer().render(_unspelled(data), accepted_media_type, context)


def _unspelled(data: Any) -> Any:
    return json.loads(data.text) if isinstance(data, Spelled) else data


def _without_line_separators(text: str) -> str:
    # As DRF does: old JavaScript takes them for the ends of lines, in strings too.
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class _EscapingRenderer(JSONRenderer):
    ensure_ascii = True


def body_digest(request: Request) -> str:
    """The SHA-256 of a request's body, in hex digits; reads and parses the body if nobody has, and keeps no copy."""
    _ = request.data
    return getattr(request, "body_sha256", hashlib.sha256().hexdigest())


def dumps(value: Any) -> str:
    """The compact JSON text of a checked value. Raises ValueError for NaN and infinities."""
    return "".join(_encode(value, 0)) if _encode else _COMPACT.encode(value)


def dumps_each(values: Sequence[Any]) -> list[str]:
    """`dumps` of each of many values, in two thirds of the time."""
    separated = [_SEPARATOR] * (2 * len(values) - 1)
    separated[::2] = values
    texts = dumps(separated)[1:-1].split(f",{dumps(_SEPARATOR)},")
    # A value may hold the separator as well, and then there are more parts.
    return texts if len(texts) == len(values) else list(map(dumps, values))


_SEPARATOR: Any = "\x1e"


def encoded_size(value: Any) -> int:
    """How many bytes the compact JSON of a checked value takes in UTF-8."""
    text = dumps(value)
    return len(text) if text.isascii() else len(text.encode())


def check_json(value: Any, *, max_depth: int = MAX_DEPTH) -> None:
    """Raise InvalidJSON unless the value can be stored and sent as it is.

    Takes time in proportion to the value's size and no more stack for a deep value than for a flat one.
    """
    if type(value) is int and MIN_INTEGER <= value <= MAX_INTEGER:
        return  # many results are one number
    path: list[str | int] = []
    levels = [iter((("", value),))]
    while levels:
        for key, item in levels[-1]:
            if type(item) is str and item.isprintable():
                continue  # the common case, in one call: neither NUL nor surrogates are printable
            if isinstance(item, (dict, list)):
                path.append(key)
                if len(path) > max_depth:
                    raise _too_deep(path, max_depth)
                levels.append(_children(item, path))
                break
            if fault := _scalar_fault(item):
                raise InvalidJSON((*path, key)[1:], *fault)
        else:
            levels.pop()
            if path:
                path.pop()


def pointer(path: Path) -> str:
    """The path as a JSON Pointer (RFC 6901), e.g. `/0/arguments/a~1b`; empty for the whole value."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def quote(text: str) -> str:
    """A client's text for use in a message: quoted, escaped to ASCII, shortened."""
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    return json.dumps(shown, ensure_ascii=not _is_sendable(shown))


def _too_deep(path: list[str | int], max_depth: int) -> InvalidJSON:
    message = f"is nested too deeply; at most {max_depth} levels of arrays and objects are taken"
    return InvalidJSON(tuple(path[1:]), "too_deep", message)


def _children(container: dict[Any, Any] | list[Any], path: list[str | int]) -> Iterator[tuple[Any, Any]]:
    if isinstance(container, list):
        return iter(enumerate(container))
    for key in container:
        if type(key) is str and key.isprintable():
            continue
        if not isinstance(key, str):
            raise InvalidJSON(tuple(path[1:]), "not_json", f"has a key that is not a string: {key!r:.60}")
        if fault := _text_fault(key):
            raise InvalidJSON(tuple(path[1:]), fault[0], f"has a key, {quote(key)}, that {fault[1]}")
    return iter(container.items())


def _scalar_fault(value: Any) -> tuple[str, str] | None:
    if isinstance(value, str):
        return _text_fault(value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return None
        return "integer_out_of_range", "is an integer beyond 64 bits; send it as a string"
    if isinstance(value, float):
        return (
            None if math.isfinite(value) else ("not_finite", "is not a finite number; use null or a string")
        )
    kind = type(value).__name__
    return "not_json", f"is a Python {kind}; JSON has objects, arrays, strings, numbers, true, false and null"


def _text_fault(text: str) -> tuple[str, str] | None:
    if "\0" in text:
        return "nul_character", "contains a NUL character (\\u0000); remove it"
    if not text.isascii() and not _is_sendable(text):
        return (
            "lone_surrogate",
            "contains a lone surrogate (half of a \\ud83d\\ude00-like pair); send both halves",
        )
    return None


def _is_sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(stream: IO[bytes]) -> bytes:
    limit = settings.CONFIG.max_body_bytes
    try:
        body = stream.read(limit + 1)
    except UnreadablePostError:
        raise ParseError("The body ended before its announced length; send it again.") from None
    if len(body) > limit:
        raise PayloadTooLarge(f"The body is larger than {limit} bytes; send it in smaller parts.")
    return body


def _decode(body: bytes) -> Any:
    try:
        # Some clients put a byte order mark first; RFC 8259 lets a reader ignore it.
        text = body.decode("utf-8-sig")
        if (value := plain_json.decode(body, text)) is not plain_json.DOUBTFUL:
            return value
        value = json.loads(text, object_pairs_hook=_unique)
        check_json(value, max_depth=_body_depth(value))
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 at byte {error.start}; encode it as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise ParseError(_malformed(error)) from None
    except InvalidJSON as error:
        where = f"The value at {quote(pointer(error.path))}" if error.path else "The body"
        raise ParseError(f"{where} {error.message}.", error.code) from None
    except RecursionError:
        raise ParseError(f"The body {_too_deep([], MAX_DEPTH).message}.", "too_deep") from None
    except ValueError:
        # Python refuses to convert integers of thousands of digits.
        message = "The body has an integer beyond 64 bits; send it as a string."
        raise ParseError(message, "integer_out_of_range") from None
    return value


def _body_depth(body: Any) -> int:
    # A task's arguments stand in an object, which may stand in a batch's array: they have MAX_DEPTH in either.
    return MAX_DEPTH + (2 if isinstance(body, list) else 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ParseError(
                f"An object of the body has the key {quote(key)} twice; send it once.", "duplicate_key"
            )
        seen.add(key)
    raise AssertionError("unreachable: fewer keys than pairs, yet none twice")


def _malformed(error: json.JSONDecodeError) -> str:
    if not error.doc.strip():
        return "The body is empty; send JSON."
    return f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
