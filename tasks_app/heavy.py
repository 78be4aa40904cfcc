"""Lists whose rows may be large: of large values a page reads as many as it may hold, however many rows it has.

A list is first read without them, in one statement, which for small rows is the only one. Then the large ones are read
in portions until there is enough.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, cast

from django.db.models import JSONField, QuerySet, TextField
from django.db.models.expressions import Col
from django.db.models.functions import Cast
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

PAGE_BYTES = 8 * 2**20
"""The large values of a page are no more than this, in bytes of JSON, or one row's."""
LIGHT_BYTES = 2_000
"""Values of more than this are large. Of a smaller row PostgreSQL compresses nothing and moves nothing out."""
# What `json.loads` does after some questions, which take longer than a small value: a database's JSON begins at once.
_decode = json.JSONDecoder().raw_decode

# In place of a large value the statement answers this sign, with which no JSON begins, the bytes that it takes in the
# table, and how many times as many it may be: how large a compressed one is, only decompressing all of it would tell.
_SIGN = "~"
_LIGHT = {
    "postgresql": "CASE WHEN pg_column_size({0}) > {1} OR pg_column_compression({0}) IS NOT NULL"
    " THEN '~' || pg_column_size({0})"
    " || CASE pg_column_compression({0}) WHEN 'pglz' THEN ' 88' WHEN 'lz4' THEN ' 255' ELSE ' 1' END"
    " ELSE {0}::text END",
    "sqlite": "CASE WHEN length({0}) > {1} THEN '~' || length({0}) || ' 1' ELSE {0} END",
}


class _Large(NamedTuple):
    """Stands for a large value that is still to be read, or for those of a row, by about how many bytes they have."""

    least: int
    most: int


class Filled(NamedTuple):
    """What `fill` did."""

    shown: int
    """How many rows, from the first on, are on the page."""
    gone: set[Any]
    """The primary keys of those among them that were deleted meanwhile."""


def first(rows: QuerySet[Any], limit: int, names: Sequence[str]) -> list[Any]:
    """The first of the rows, whose large values in these columns of JSON are missing until `fill` reads them."""
    found = rows[:limit]
    if names:
        query = cast(_LightQuery, found.query.chain(_LightQuery))
        query.heavy = frozenset(names)
        found.query = query
    return list(found)


def fill(rows: Sequence[Any], names: Sequence[str]) -> Filled:
    """Give the rows that `first` found their large values, as long as a page may hold them."""
    lacking = _lacking(rows, names)
    gone: set[Any] = set()
    spent = 0
    for place, texts in _in_portions(rows, lacking, names):
        row = rows[place]
        if texts is None:
            gone.add(row.pk)
            continue
        size = sum(map(_size, texts))
        if spent and spent + size > PAGE_BYTES:
            return Filled(place, gone)
        spent += size
        _complete(row, names, texts)
    return Filled(len(rows), gone)


def _lacking(rows: Sequence[Any], names: Sequence[str]) -> list[tuple[int, _Large]]:
    """The places of the rows that lack large values, with their sizes."""
    if not names:
        return []
    values = attrgetter(names[0], *names)  # of one name alone it would be no tuple
    places = [at for at, row in enumerate(rows) if any(type(value) is _Large for value in values(row))]
    return [(at, _sum(getattr(rows[at], name) for name in names)) for at in places]


def _sum(values: Iterable[Any]) -> _Large:
    large = [value for value in values if type(value) is _Large]
    return _Large(sum(one.least for one in large), sum(one.most for one in large))


def _in_portions(
    rows: Sequence[Any], lacking: Sequence[tuple[int, _Large]], names: Sequence[str]
) -> Iterator[tuple[int, tuple[str | None, ...] | None]]:
    """Each of the places, with the values of these columns in its row as texts; None if the row is gone."""
    room = PAGE_BYTES
    while lacking:
        portion = _portion(lacking, room)
        texts = _texts([rows[place] for place, _ in portion], names)
        for place, _ in portion:
            found = texts.pop(rows[place].pk, None)
            room -= sum(map(_size, found or ()))
            yield place, found
        lacking = lacking[len(portion) :]


def _portion(lacking: Sequence[tuple[int, _Large]], room: int) -> Sequence[tuple[int, _Large]]:
    """What to read at once: at least one, and no more than may fit, nor, however it was compressed, than a page."""
    least = most = 0
    for count, (_, size) in enumerate(lacking):
        least, most = least + size.least, most + size.most
        if count and (least > room or most > PAGE_BYTES):
            return lacking[:count]
    return lacking


def _texts(rows: Sequence[Any], names: Sequence[str]) -> dict[Any, tuple[str | None, ...]]:
    stored = type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows])
    return {
        pk: found for pk, *found in stored.values_list("pk", *(Cast(name, TextField()) for name in names))
    }


def _size(text: str | None) -> int:
    if text is None:
        return 0
    return len(text) if text.isascii() else len(text.encode())


def _complete(row: Any, names: Sequence[str], texts: Sequence[str | None]) -> None:
    # Only what is missing: the rest is of the moment at which the row was found to be of the list.
    for name, text in zip(names, texts, strict=True):
        if type(getattr(row, name)) is _Large:
            setattr(row, name, _value(text))


def _value(text: str | None) -> Any:
    return None if text is None else _decode(text)[0]


class _LightQuery(Query):
    heavy: frozenset[str]

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: bool = True
    ) -> SQLCompiler:
        made = super().get_compiler(using, connection, elide_empty)
        return _LightCompiler(self, made.connection, made.using, elide_empty)


class _LightCompiler(SQLCompiler):
    """Writes the statement of a list around that of its rows.

    So it looks at the values of the rows that are shown only, and not at those of all that are sorted.
    """

    query: _LightQuery

    def as_sql(self, with_limits: bool = True, with_col_aliases: bool = False) -> Any:
        inner, parameters = super().as_sql(with_limits, with_col_aliases=True)
        light, quoted = _LIGHT[self.connection.vendor], self.connection.ops.quote_name
        columns = ", ".join(
            light.format(quoted(alias), LIGHT_BYTES)
            if _is_of(self.query.heavy, expression)
            else quoted(alias)
            for expression, _, alias in self.select
        )
        return f"SELECT {columns} FROM ({inner}) page", parameters  # noqa: S608 - of columns' aliases

    def get_converters(self, expressions: Any) -> Any:
        found = super().get_converters(expressions)
        return {place: (_readers(*each), each[1]) for place, each in found.items()}


def _is_of(names: frozenset[str], expression: Any) -> bool:
    return isinstance(expression, Col) and expression.target.attname in names


def _readers(usual: Any, expression: Any) -> Any:
    is_json = isinstance(expression, Col) and isinstance(expression.target, JSONField)
    return [_light] if is_json else usual


def _light(text: str | None, expression: Any, connection: Any) -> Any:
    if text is None:
        return None
    return _large(text) if text[0] == _SIGN else _decode(text)[0]


def _large(text: str) -> _Large:
    size, times = map(int, text[1:].split())
    return _Large(size, size * times)
