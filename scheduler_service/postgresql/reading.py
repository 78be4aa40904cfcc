"""Rows of a model by a statement that is spelled once per process.

The ORM spells one anew for each request, which takes several times as long as the database's answer.
"""

from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)


class Spelled(Generic[M]):
    """All columns of a model's table, WHERE and ORDER BY as they are given. For PostgreSQL only."""

    def __init__(self, model: type[M], rest: str) -> None:
        """`rest` is a constant of the code: what is asked for comes as its parameters."""
        fields = model._meta.concrete_fields
        self._model = model
        self._names = [field.attname for field in fields]
        # As it is on PostgreSQL, where the driver makes all other values what the model has.
        self._documents = [
            (place, field) for place, field in enumerate(fields) if hasattr(field, "from_db_value")
        ]
        columns = ", ".join(f'"{field.column}"' for field in fields)
        self._text = f'SELECT {columns} FROM "{model._meta.db_table}" {rest}'  # noqa: S608 - constant text

    def read(self, *parameters: Any) -> list[M]:
        """The rows, as the ORM would read them."""
        with connection.cursor() as cursor:
            cursor.execute(self._text, parameters)
            return [self._made(row) for row in cursor.fetchall()]

    def _made(self, row: tuple[Any, ...]) -> M:
        values = list(row)
        for place, field in self._documents:
            values[place] = field.from_db_value(values[place], None, connection)
        return self._model.from_db(connection.alias, self._names, values)
