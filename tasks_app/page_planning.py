"""What PostgreSQL is told for the time in which it reads a page. SQLite is told nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from rest_framework.serializers import ErrorDetail

from scheduler_service.errors import QueryError

MOST_MILLISECONDS = 2_000
"""What PostgreSQL may take for a page in an order other than that of creation."""
_CANCELED = "57014"
_NO_JIT = "SET LOCAL jit = off"
"""To compile a statement of so many columns takes longer than a page, and what looks expensive would be compiled."""


@contextmanager
def in_index_order(*, is_needed: bool) -> Iterator[None]:
    """Keep PostgreSQL from sorting all rows of who has many, as it does while it has no statistics."""
    if not is_needed or connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; {_NO_JIT}")
        yield


@contextmanager
def in_time(*, is_limited: bool) -> Iterator[None]:
    """Let PostgreSQL give up an order that no index has, when sorting takes seconds; raises QueryError."""
    if not is_limited or connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {MOST_MILLISECONDS}; {_NO_JIT}")
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) != _CANCELED:
            raise
        message = "That many rows cannot be sorted in time: order by creation, or filter."
        raise QueryError({"ordering": [ErrorDetail(message, code="too_broad")]}) from None
