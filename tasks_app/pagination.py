"""Keyset pages for lists of any size: a page costs what it shows, wherever it lies. Nothing is counted.

Every ordering ends with the primary key, so that each row has one place: rows that come or go between two
pages shift nothing, and any number of rows may share a value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core import signing
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ErrorDetail
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from access_app.principals import DEFAULT_PROJECT, project_of
from scheduler_service.errors import QueryError
from tasks_app import heavy
from tasks_app.ids import blurred
from tasks_app.page_planning import in_index_order, in_time

STRETCHES = (1_000, 100_000)
"""How many rows one page looks at: few first, since most filters hit often, then as many as take some tens of ms."""

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
"""Before all ids, and behind all."""


class Cursor(NamedTuple):
    """A place in an ordered list: beyond the row with this `value` and primary key, or before it."""

    is_backward: bool
    value: Any
    pk: str


class _Edge(NamedTuple):
    """A row behind which a page goes on though it does not show it."""

    pk: Any


class KeysetPagination(BasePagination):
    """Pages by `cursor` (opaque, signed), `page_size` and `ordering`.

    The view's `orderings` maps each allowed ordering to a column with its sign, such as
    `{"-created_at": "-pk", "run_at": "run_at"}`; the first is the default. The column `pk` orders by the
    primary key alone. An ordering by a nullable column lists only the rows that have a value there.

    A cursor holds in the project that it was made in.

    Four methods of a view keep pages of large tables cheap. `walked` gives the rows among which those of the list have
    to be searched in the order of the primary key, None where an index knows them: a page then looks at a stretch of
    them only, and may have fewer rows than asked for, or none, with a `next` that goes on behind it. `parts` parts a
    list into several, each of which an index has in the order of that column. `glance` gives a check of whether a row
    of `walked` is in the list where nearly all are, else None: if the next ones pass it, they are the page. `leading`
    gives columns that all rows of the list have alike and that stand before the primary key in the index to be read.

    A view's `heavy` names columns of JSON that may be large: a page ends before they are more than it may hold.
    """

    page_size = 50
    max_page_size = 1000
    parameters = ("cursor", "page_size", "ordering")

    request: Request
    page: list[Any]
    first: Any
    last: Any
    has_next: bool
    has_previous: bool

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """The rows of the page that the request asks for; raises QueryError for wrong parameters."""
        orderings: Mapping[str, str] = view.orderings  # type: ignore[union-attr]
        self.request = request
        self.ordering = self._ordering(request, orderings)
        column = orderings[self.ordering]
        self.field, self.is_descending = column.lstrip("-"), column.startswith("-")
        # A cursor holds a place in one list only; the salt makes it worthless for another list or ordering.
        self.salt = f"cursor:{queryset.model._meta.label}:{self.ordering}"
        if (project_id := project_of(request)) != DEFAULT_PROJECT:
            self.salt += f":{project_id}"
        self.leading: tuple[str, ...] = getattr(view, "leading", tuple)()
        self.heavy: tuple[str, ...] = getattr(view, "heavy", ())
        self._read(queryset, self._cursor(request), self._page_size(request), view)
        return self.page

    def _read(self, queryset: QuerySet[Any], cursor: Cursor | None, size: int, view: Any) -> None:
        is_backward = cursor is not None and cursor.is_backward
        walked = view.walked() if self.field == "pk" and hasattr(view, "walked") else None
        rows, edge = self._find(queryset, walked, cursor, size + 1, view)
        page = heavy.fill(rows[:size], self.heavy)
        if page.shown < min(size, len(rows)):
            edge = None  # what was looked at goes further than the page
        has_more = len(rows) > page.shown or edge is not None
        self.page = rows[: page.shown][::-1] if is_backward else rows[: page.shown]
        self.has_next = is_backward or has_more
        self.has_previous = has_more if is_backward else cursor is not None
        if walked is not None and not (self.page or edge or is_backward):
            edge = _Edge(FIRST_ID if self.is_descending else LAST_ID)  # the way back begins at the list's end
        self._set_ends(edge, is_backward=is_backward)
        self.page = [row for row in self.page if row.pk not in page.gone]

    def _find(
        self,
        queryset: QuerySet[Any],
        walked: QuerySet[Any] | None,
        cursor: Cursor | None,
        limit: int,
        view: Any,
    ) -> tuple[list[Any], _Edge | None]:
        """The next rows without their large values, and where looking for them ended before there were enough."""
        if walked is None:
            parts = view.parts(queryset, self.field) if hasattr(view, "parts") else [queryset]
            with in_time(is_limited=self.field != "pk"):
                return self._merge(parts, cursor, limit), None
        is_listed = view.glance() if hasattr(view, "glance") else None
        with in_index_order(is_needed=bool(self.leading)):
            rows = self._glance(walked, cursor, limit, is_listed)
            return self._walk(queryset, walked, cursor, limit) if rows is None else (rows, None)

    def _set_ends(self, edge: _Edge | None, *, is_backward: bool) -> None:
        """Say from where the links lead on: behind the rows of the page, or where looking for them ended."""
        self.first, self.last = (self.page[0], self.page[-1]) if self.page else (edge, edge)
        if edge is not None and is_backward:
            self.first = edge
        elif edge is not None:
            self.last = edge

    def _merge(self, parts: Sequence[QuerySet[Any]], cursor: Cursor | None, limit: int) -> list[Any]:
        """The first rows of lists each of which an index has in this order."""
        is_backward = cursor is not None and cursor.is_backward
        found = [self._rows(part, cursor, limit) for part in parts]
        if len(found) == 1:
            return found[0]
        is_reversed = self.is_descending != is_backward
        rows = (row for rows in found for row in rows)
        return sorted(rows, key=lambda row: (getattr(row, self.field), row.pk), reverse=is_reversed)[:limit]

    def _glance(
        self,
        walked: QuerySet[Any],
        cursor: Cursor | None,
        limit: int,
        is_listed: Callable[[Any], bool] | None,
    ) -> list[Any] | None:
        """The next rows of `walked`, if all are of the list."""
        if is_listed is None:
            return None
        rows = self._rows(walked, cursor, limit)
        return rows if all(map(is_listed, rows)) else None

    def _walk(
        self, queryset: QuerySet[Any], walked: QuerySet[Any], cursor: Cursor | None, limit: int
    ) -> tuple[list[Any], _Edge | None]:
        """Rows among the next of `walked` that are looked at, and where looking ended before there were enough."""
        is_backward = cursor is not None and cursor.is_backward
        rows: list[Any] = []
        for stretch in STRETCHES:
            ahead = self._ordered(walked, cursor, is_backward).values_list("pk", flat=True)
            edge = next(iter(ahead[stretch - 1 : stretch]), None)
            part = queryset
            if edge is not None:
                # It may be a row of another project, whose id a cursor must not give away.
                edge = blurred(edge, is_first=self.is_descending != is_backward)
                part = part.filter(**{"pk__gte" if self.is_descending != is_backward else "pk__lte": edge})
            rows += self._rows(part, cursor, limit - len(rows))
            if edge is None or len(rows) == limit:
                return rows, None
            cursor = Cursor(is_backward, None, str(edge))
        return rows, _Edge(edge)

    def _rows(self, queryset: QuerySet[Any], cursor: Cursor | None, limit: int) -> list[Any]:
        """The next rows of a list, without their large values."""
        is_backward = cursor is not None and cursor.is_backward
        return heavy.first(self._ordered(queryset, cursor, is_backward), limit, self.heavy)

    def _ordered(self, queryset: QuerySet[Any], cursor: Cursor | None, is_backward: bool) -> QuerySet[Any]:
        sign = "-" if self.is_descending != is_backward else ""
        if self.field == "pk":
            queryset = queryset.order_by(*(f"{sign}{name}" for name in (*self.leading, "pk")))
        else:
            queryset = queryset.filter(**{f"{self.field}__isnull": False})
            queryset = queryset.order_by(f"{sign}{self.field}", f"{sign}pk")
        return queryset if cursor is None else queryset.filter(self._beyond(cursor, "lt" if sign else "gt"))

    def _beyond(self, cursor: Cursor, operator: str) -> Q:
        later_pk = Q(**{f"pk__{operator}": cursor.pk})
        if self.field == "pk":
            return later_pk
        later = Q(**{f"{self.field}__{operator}": cursor.value})
        # The first condition says nothing new, but it is the one that an index can start from.
        return Q(**{f"{self.field}__{operator}e": cursor.value}) & (later | later_pk)

    def _ordering(self, request: Request, orderings: Mapping[str, str]) -> str:
        ordering = request.query_params.get("ordering", next(iter(orderings)))
        if ordering not in orderings:
            raise _refuse("ordering", f"Use one of: {', '.join(orderings)}.")
        return ordering

    def _page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size", str(self.page_size))
        if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= self.max_page_size:
            raise _refuse("page_size", f"Use a whole number from 1 to {self.max_page_size}.")
        return int(text)

    def _cursor(self, request: Request) -> Cursor | None:
        text = request.query_params.get("cursor")
        if text is None:
            return None
        try:
            return Cursor(*signing.loads(text, salt=self.salt))
        except signing.BadSignature:
            raise _refuse(
                "cursor", "Take it from `next` or `previous` of a page with the same ordering, unchanged."
            ) from None

    def _link(self, edge: Any, *, is_backward: bool) -> str:
        here = self.request.build_absolute_uri()
        if edge is None:
            # Everything beyond the cursor is gone by now: the way on is the start.
            return remove_query_param(here, "cursor")
        value = None if self.field == "pk" else getattr(edge, self.field)
        value = value.isoformat() if isinstance(value, datetime) else value
        text = signing.dumps(Cursor(is_backward, value, str(edge.pk)), salt=self.salt)
        return replace_query_param(here, "cursor", text)

    def get_next_link(self) -> str | None:
        """The address of the page after this one; None on the last page."""
        return self._link(self.last, is_backward=False) if self.has_next else None

    def get_previous_link(self) -> str | None:
        """The address of the page before this one; None on the first page."""
        return self._link(self.first, is_backward=True) if self.has_previous else None

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.get_next_link(), "previous": self.get_previous_link(), "results": data})

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """For the API's document."""
        orderings = list(view.orderings)  # type: ignore[attr-defined]
        size = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [
            _parameter(
                "cursor",
                "The place to go on from: take it from `next` or `previous`.",
                {"type": "string", "minLength": 1, "format": "cursor"},
            ),
            _parameter("page_size", "How many at most.", size),
            _parameter(
                "ordering",
                "Rows without a value in this column are left out.",
                {"type": "string", "enum": orderings, "default": orderings[0]},
            ),
        ]


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _refuse(parameter: str, message: str, code: str = "invalid") -> QueryError:
    return QueryError({parameter: [ErrorDetail(message, code=code)]})
