"""Conditions in the addresses of the admin's lists."""

from typing import Any

from django.contrib.admin.options import ModelAdmin
from django.http import HttpRequest


class StrictLookups(ModelAdmin):
    """Refuses (400) conditions with a NUL, over which PostgreSQL fails: Django passes any on that names a column."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return "\0" not in str(value) and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]
