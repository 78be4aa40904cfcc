"""Tasks as the text of an answer: what TaskSerializer and StrictJSONRenderer make of them, in a quarter of the time."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain, repeat
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any
from uuid import UUID

from scheduler_service.json import Spelled, dumps
from tasks_app.examples import TASK
from tasks_app.fields import format_instant
from tasks_app.lifecycle import Curve, Status
from tasks_app.models import Task
from tasks_app.records import Alike

_values = itemgetter(*TASK)
_DOCUMENTS = ("arguments", "tags")
"""What comes as JSON of tasks that are kept by columns."""
_BLANK = {"attempt": 0}
"""What a new task has that is not null."""
_NAMES = tuple(f'"{name}":' for name in TASK)


def spell(task: Task) -> Spelled:
    """One task, as an answer."""
    members = [name + _spell(value) for name, value in zip(_NAMES, _values(task.__dict__), strict=True)]
    return Spelled("{" + ",".join(members) + "}")


def spell_all(tasks: Sequence[Task], **others: Any) -> Spelled:
    """An object with the array `tasks`, and other members."""
    rest = "".join(f',"{name}":{dumps(value)}' for name, value in others.items())
    return Spelled(f'{{"tasks":[{",".join(_texts(tasks))}]{rest}}}')


def spell_alike(new: Alike) -> Spelled:
    """As `spell_all` of a batch without faults, of stored tasks that are kept by columns."""
    parts: list[Iterable[str]] = []
    alike = ",{"
    for name, label in zip(TASK, _NAMES, strict=True):
        alike += label
        if name in new.each:
            parts += [repeat(alike), _spell_column(name, new.each[name])]
            alike = ","
        else:
            alike += _spell_of_alike(name, new.same.get(name, _BLANK.get(name))) + ","
    # `repeat` has no end; the ids have one.
    objects = list(chain.from_iterable(zip(*parts, repeat(alike[:-1] + "}"), strict=False)))
    # The text is half a megabyte: it is joined once, and not cut.
    objects[0] = '{"tasks":[' + objects[0].removeprefix(",")
    batch_id = _spell(new.same.get("batch_id"))
    return Spelled("".join([*objects, f'],"errors":[],"batch_id":{batch_id}}}']))


def _spell_column(name: str, values: Sequence[Any]) -> Iterable[str]:
    if name == "task_id":
        return [f'"{value}"' for value in values]
    if name in _DOCUMENTS:
        return values
    return map(_spell, values)


def _spell_of_alike(name: str, value: Any) -> str:
    return str(value) if name in _DOCUMENTS else _spell(value)


def _texts(tasks: Sequence[Task]) -> list[str]:
    """The objects of tasks. What all of them have alike, which is most of a batch, is spelled once."""
    template, varying = [], []
    columns = zip(*(_values(task.__dict__) for task in tasks), strict=True)
    for name, values in zip(_NAMES, columns, strict=False):
        if _is_one_value(values):
            template.append(name + _spell(values[0]).replace("%", "%%"))
        else:
            template.append(name + "%s")
            varying.append([_spell(value) for value in values])
    text = "{" + ",".join(template) + "}"
    return [text % row for row in zip(*varying, strict=True)] if varying else [text % ()] * len(tasks)


def _is_one_value(values: tuple[Any, ...]) -> bool:
    # By identity, or as texts: 1, 1.0 and True are equal, and so are documents with them, and instants in two zones.
    first = values[0]
    kind = type(first)
    if first is None or kind is str or (not first and kind in (dict, list)):
        return values == (first,) * len(values)
    return all(value is first for value in values)


def _spell(value: Any) -> str:
    return "null" if value is None else _SPELL[type(value)](value)


def _document(value: Any) -> str:
    if value:
        return dumps(value)
    return "{}" if isinstance(value, dict) else "[]"


@lru_cache(maxsize=1024)
def _instant(moment: datetime) -> str:
    return f'"{format_instant(moment)}"'


_SPELL: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys((str, Status, Curve), encode_basestring),
    **dict.fromkeys((dict, list), _document),
    bool: dumps,
    int: int.__repr__,
    float: float.__repr__,
    UUID: lambda value: f'"{value}"',
    datetime: _instant,
}
