"""A module whose annotations are texts, one of them for type checkers only."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tasks_app.operations import Context

if TYPE_CHECKING:
    from collections.abc import Hashable


def handler(amount: Decimal, context: Context) -> Hashable:
    return f"{amount} in attempt {context.attempt}"
