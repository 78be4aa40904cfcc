"""Serializer fields that take a JSON value of their own type only, and refuse what DRF would convert."""

import difflib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from scheduler_service.config import CALLBACK_QUEUE
from scheduler_service.config_values import QUEUE_NAME
from scheduler_service.json import encoded_size

YEARS = range(1970, 3000)
MAX_REFUSED_NAMES = 5
"""Names listed at most when a request has fields that are not known."""

SLOW: Any = object()
"""What a field's `quick` answers if only its `run_validation` can tell; else it answers the same as that."""

# `fromisoformat` alone takes week dates, ordinal days and separators that other languages cannot read back.
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(?P<offset>[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
INSTANT_SCHEMA = {"format": "date-time", "pattern": "^(19[7-9]|2[0-9]{2})[0-9]-"}
"""For the API's document: the years are those of YEARS, but for an offset at their ends."""
_QUEUE = re.compile(QUEUE_NAME.strip("^$"))
_OWN_QUEUES = ("scheduler", CALLBACK_QUEUE)


class InvalidInstantError(ValueError):
    """A text is not a point in time; `code` says why, the message what to write."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_instant(text: str) -> datetime:
    """An RFC 3339 time with its offset, as an aware UTC datetime; raises InvalidInstantError."""
    match = _INSTANT.fullmatch(text)
    if match and not match["offset"]:
        raise InvalidInstantError(
            "offset_required", "Add the offset from UTC, for example 2030-01-31T12:00:00Z."
        )
    try:
        if not match:
            raise ValueError
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInstantError("invalid", "Write a time as 2030-01-31T12:00:00Z (RFC 3339).") from None
    if moment.year not in YEARS:
        raise InvalidInstantError("out_of_range", f"Use a year from {YEARS[0]} to {YEARS[-1]}.")
    return moment


# Many tasks of a batch start at the same time.
_known_instant = lru_cache(maxsize=1024)(parse_instant)


def format_instant(moment: datetime) -> str:
    """ISO 8601 in UTC, always with microseconds and Z, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


class InstantField(serializers.DateTimeField):
    """A point in time; a text without an offset is ambiguous and refused."""

    class Meta:
        swagger_schema_fields = INSTANT_SCHEMA

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            raise ValidationError(
                "Write a time as a string, for example 2030-01-31T12:00:00Z.", code="invalid"
            )
        try:
            return parse_instant(value)
        except InvalidInstantError as error:
            raise ValidationError(str(error), code=error.code) from None

    def to_representation(self, value: datetime) -> str:
        return format_instant(value)

    def quick(self, data: Any) -> Any:
        try:
            return _known_instant(data) if type(data) is str else SLOW
        except InvalidInstantError:
            return SLOW


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer: not a boolean, a string or a number with a fraction."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            raise ValidationError("Use a whole number.", code="invalid")
        return data

    def quick(self, data: Any) -> Any:
        is_taken = type(data) is int and self.min_value <= data <= self.max_value  # type: ignore[operator]
        return data if is_taken else SLOW


class StrictFloatField(serializers.FloatField):
    """A JSON number: not a boolean or a string."""

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in (int, float):
            raise ValidationError("Use a number.", code="invalid")
        return float(data)

    def quick(self, data: Any) -> Any:
        is_number = type(data) is float or type(data) is int
        return float(data) if is_number and self.min_value <= data <= self.max_value else SLOW


class StrictCharField(serializers.CharField):
    """A JSON string."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise ValidationError("Use a string.", code="invalid")
        return super().to_internal_value(data)

    def quick(self, data: Any) -> Any:
        # Neither NUL nor surrogates are printable, and of all white space only the plain space is.
        if type(data) is not str or len(data) > self.max_length or not data.isprintable():  # type: ignore[operator]
            return SLOW
        return (data.strip() if self.trim_whitespace else data) or SLOW


class StrictChoiceField(serializers.ChoiceField):
    """One of several words, as a JSON string."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            raise ValidationError(f"Use one of {', '.join(self.choices)}.", code="invalid_choice")
        return data

    def quick(self, data: Any) -> Any:
        return data if type(data) is str and data in self.choices else SLOW


class QueueField(StrictCharField):
    """A queue's name. `scheduler` and `callbacks` are the service's own."""

    class Meta:
        swagger_schema_fields = {"pattern": f"^(?!({'|'.join(_OWN_QUEUES)})$){QUEUE_NAME.strip('^')}"}

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not _QUEUE.fullmatch(name):
            raise ValidationError(
                "Use 1 to 64 letters, digits, '_', '.' or '-', starting with a letter or digit.",
                code="invalid",
            )
        if name in _OWN_QUEUES:
            raise ValidationError(
                f"The queue `{name}` is the service's own; choose another.", code="reserved"
            )
        return name

    def quick(self, data: Any) -> Any:
        is_name = type(data) is str and _QUEUE.fullmatch(data) and data not in _OWN_QUEUES
        return data if is_name else SLOW


class TagsField(serializers.ListField):
    """Up to 20 different strings."""

    class Meta:
        swagger_schema_fields = {"uniqueItems": True}

    child = StrictCharField(max_length=64)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=20, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        tags: list[str] = super().to_internal_value(data)
        if len(set(tags)) < len(tags):
            raise ValidationError("Name each tag once.", code="duplicate")
        return tags

    def quick(self, data: Any) -> Any:
        if type(data) is not list or len(data) > self.max_length:  # type: ignore[operator]
            return SLOW
        tags = [self.child.quick(tag) for tag in data]
        return tags if len({*tags, SLOW}) > len(tags) else SLOW


class OperationField(StrictCharField):
    """What to run; whether there is such an operation is the template's matter."""

    class Meta:
        swagger_schema_fields = {"format": "operation"}


class ArgumentsField(serializers.JSONField):
    """The operation's arguments: a JSON object of bounded size."""

    class Meta:
        swagger_schema_fields = {"type": "object", "additionalProperties": True}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValidationError('Use a JSON object, for example {"name": "value"}.', code="not_an_object")
        limit = settings.CONFIG.max_arguments_bytes
        if encoded_size(data) > limit:
            raise ValidationError(
                f"The arguments are larger than {limit} bytes of JSON; store the data elsewhere.",
                code="too_large",
            )
        return data

    def quick(self, data: Any) -> Any:
        is_taken = type(data) is dict and (
            not data or encoded_size(data) <= settings.CONFIG.max_arguments_bytes
        )
        return data if is_taken else SLOW


@lru_cache(maxsize=1024)
def _close_name(name: str, known: tuple[str, ...]) -> str | None:
    # Compared to few names only, and only if short: a batch may hold 10,000 items full of wrong names.
    alike = [candidate for candidate in known if candidate[0] == name[:1] and len(name) <= 40]
    return next(iter(difflib.get_close_matches(name, alike, 1)), None)


class StrictSerializerMixin(serializers.Serializer):
    """Refuses, by name, fields that a request may not set and fields that do not exist."""

    is_strict = True

    def to_internal_value(self, data: Any) -> Any:
        refused = self._refused(data) if isinstance(data, dict) else {}
        try:
            attrs = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**error.detail, **refused}) from None  # type: ignore[dict-item]
        if refused:
            raise ValidationError(refused)
        return attrs

    def _refused(self, data: dict[str, Any]) -> dict[str, list[ErrorDetail]]:
        fields = self.fields
        refused: dict[str, list[ErrorDetail]] = {}
        for name in data:
            field = fields.get(name)
            if field is None or field.read_only:
                refused[name] = [self._refusal(name, is_known=field is not None)]
            if len(refused) == MAX_REFUSED_NAMES:
                break
        return refused

    def _refusal(self, name: str, *, is_known: bool) -> ErrorDetail:
        if is_known:
            return ErrorDetail("The service sets this field; leave it out.", code="read_only")
        writable = tuple(known for known, field in self.fields.items() if not field.read_only)
        close = _close_name(name, writable)
        hint = f"Did you mean `{close}`?" if close else f"Use only: {', '.join(writable)}."
        return ErrorDetail(f"There is no such field. {hint}", code="unknown_field")
