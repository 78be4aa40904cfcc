"""Admin pages of large tables whose rows nobody edits by hand."""

from typing import Any, cast

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from access_app.lookups import StrictLookups

LONGEST_LIST = 10_000
"""Rows that a list shows over all its pages; filters and the search reach the others."""


class BoundedPaginator(Paginator):
    """Counts up to LONGEST_LIST rows only: a count of millions would make every page slow."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows.order_by()[:LONGEST_LIST].count()


class LightList(ChangeList):
    """Reads nothing of the columns that may be large: a list shows none of them."""

    model_admin: "ReadOnlyAdmin"

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        return super().get_queryset(*args, **kwargs).defer(*self.model_admin.heavy)


class ReadOnlyAdmin(StrictLookups):
    """Shows rows, and has no form for them."""

    heavy: tuple[str, ...] = ()
    """Columns that may be large; `list_display` has none of them."""
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LightList

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
