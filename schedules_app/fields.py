"""Serializer fields that only schedules have; as strict as those of tasks."""

import re
from collections.abc import Iterable
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from tasks_app.fields import MAX_REFUSED_NAMES, StrictCharField

CALENDAR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
CALENDAR_NAME_SCHEMA = {"pattern": f"^{CALENDAR_NAME.pattern}$"}
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


class StrictBooleanField(serializers.BooleanField):
    """A JSON true or false, not a word or number for it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise ValidationError("Use true or false.", code="invalid")
        return data


class TimeOfDayField(StrictCharField):
    """A local time of day to the minute."""

    class Meta:
        swagger_schema_fields = {"pattern": f"^({_TIME_OF_DAY.pattern})$"}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not _TIME_OF_DAY.fullmatch(text):
            raise ValidationError("Write a local time of day as HH:MM, for example 06:30.", code="invalid")
        return text


class CalendarNameField(StrictCharField):
    """The name of a calendar, which is a part of its address."""

    class Meta:
        swagger_schema_fields = CALENDAR_NAME_SCHEMA

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not CALENDAR_NAME.fullmatch(name):
            raise ValidationError(
                "Use 1 to 64 letters, digits, '_', '.' or '-', starting with a letter or digit.",
                code="invalid",
            )
        return name


class CronField(StrictCharField):
    """A cron expression; whether it can be followed is the rule's matter, as of the fields below."""

    class Meta:
        swagger_schema_fields = {"format": "cron"}


class RRuleField(StrictCharField):
    """Lines of RFC 5545."""

    class Meta:
        swagger_schema_fields = {"format": "rrule"}


class ZoneField(StrictCharField):
    """A time zone."""

    class Meta:
        swagger_schema_fields = {"format": "timezone"}


class DayField(StrictCharField):
    """A day of a calendar."""

    class Meta:
        swagger_schema_fields = {"format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


class DayOrTimeField(StrictCharField):
    """A day, or one point in time."""

    class Meta:
        swagger_schema_fields = {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].+)?$"}


class WordsField(serializers.ListField):
    """A list of different strings; whether each makes sense is the rule's matter."""

    class Meta:
        swagger_schema_fields = {"uniqueItems": True}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("child", StrictCharField(max_length=64))
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            # Before a look at each: a body may hold hundreds of thousands.
            raise ValidationError(f"Use no more than {self.max_length}.", code="max_length")
        words: list[str] = super().to_internal_value(data)
        first = {word: index for index, word in reversed(list(enumerate(words)))}
        twice = [index for index, word in enumerate(words) if first[word] != index]
        if twice:
            raise ValidationError(faults_at(twice[:MAX_REFUSED_NAMES], "Name each one once.", "duplicate"))
        return words

    def to_representation(self, data: Iterable[str]) -> list[str]:
        return list(data)


def faults_at(indexes: Iterable[int], message: str, code: str) -> Any:
    """What is wrong with items of a list, as the detail of a ValidationError."""
    return {index: [ErrorDetail(message, code=code)] for index in indexes}
