"""Placeholders in a schedule's arguments, filled in for each occurrence. Pure: values in, values out."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

_PLACEHOLDER = re.compile(r"\{\{ *(\w+) *\}\}")


def has_placeholders(arguments: Any) -> bool:
    """Whether rendering could change anything."""
    return "{{" in json.dumps(arguments)


def render(arguments: Any, occurs_at: datetime, schedule_id: UUID) -> Any:
    """The arguments with `{{ occurrence }}` and `{{ schedule_id }}` filled in, inside of texts at any depth.

    The occurrence is its nominal time, ISO 8601 in UTC with a Z. Keys and other placeholders stay as they are.
    """
    values = {"occurrence": spelled(occurs_at), "schedule_id": str(schedule_id)}
    return _filled(arguments, values)


def spelled(moment: datetime) -> str:
    """ISO 8601 in UTC with a Z; microseconds only if there are any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return value
