"""Form fields of query parameters: what each takes, and what is said to anything else."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError as FormError

from tasks_app.fields import InvalidInstantError, parse_instant
from tasks_app.ids import read_id

MOST_IDS = 200
"""As many as fit into a request line of 8,190 bytes, the longest that gunicorn takes, with the commas escaped."""


class InstantFormField(forms.Field):
    """A time with its offset, as in requests' bodies."""

    def to_python(self, value: str | None) -> datetime | None:
        if not value:
            return None
        try:
            # An unescaped + of an offset arrives as a space.
            return parse_instant(value.replace(" ", "+"))
        except InvalidInstantError as error:
            raise FormError(str(error), code=error.code) from None


class CommaListWidget(forms.Widget):
    """Values from a repeated parameter, each of which may hold several between commas."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return [part.strip() for text in data.getlist(name) for part in text.split(",")]


def choice_message(words: Iterable[str]) -> dict[str, str]:
    """What is said to another word than these; what was sent may be of any length, and is not repeated."""
    return {"invalid_choice": f"There is no such value; use {', '.join(words)}."}


class StatusFormField(forms.MultipleChoiceField):
    """Statuses, or other words of a list."""

    widget = CommaListWidget

    def __init__(self, *, choices: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        known = list(choices)
        super().__init__(choices=known, error_messages=choice_message(word for word, _ in known), **kwargs)


class IntegerFormField(forms.IntegerField):
    """A whole number in ASCII digits; Django's own takes those of any script, underscores and `1.0`."""

    def to_python(self, value: str | None) -> int | None:
        if value and not re.fullmatch(r"-?[0-9]+", value):
            raise FormError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class UUIDFormField(forms.Field):
    """A UUID as it is answered; Django's own takes braces, `urn:uuid:` and digits of any script."""

    def to_python(self, value: str | None) -> UUID | None:
        if not value:
            return None
        found = read_id(value)
        if found is None:
            raise FormError("Use a UUID, such as 0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f.", code="invalid")
        return found


class IdsFormField(forms.Field):
    """Ids, up to a number that a request line has room for."""

    widget = CommaListWidget

    def to_python(self, value: list[str] | None) -> set[UUID]:
        texts = set(value or ())
        if len(texts) > MOST_IDS:
            raise FormError(
                f"There are {len(texts)} ids; give at most {MOST_IDS} in one request.", code="too_many"
            )
        ids = {text: read_id(text) for text in texts}
        if wrong := sorted(text for text, found in ids.items() if found is None):
            raise FormError(
                f"Ids are UUIDs, between commas; this one is not: {wrong[0][:40]!r}.", code="invalid"
            )
        return {found for found in ids.values() if found}
