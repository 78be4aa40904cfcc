"""Tasks as the text of an answer: what TaskSerializer and StrictJSONRenderer make of them, in a quarter of the time."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any
from uuid import UUID

from scheduler_service.json import Spelled, dumps
from tasks_app.examples import TASK
from tasks_app.fields import format_instant
from tasks_app.lifecycle import Curve, Status
from tasks_app.models import Task

_values = itemgetter(*TASK)
_TEMPLATE = "{" + ",".join(f'"{name}":%s' for name in TASK) + "}"


def spell(task: Task) -> Spelled:
    """One task, as an answer."""
    return Spelled(_text(task))


def spell_all(tasks: Iterable[Task], **others: Any) -> Spelled:
    """An object with the array `tasks`, and other members."""
    rest = "".join(f',"{name}":{dumps(value)}' for name, value in others.items())
    return Spelled(f'{{"tasks":[{",".join(map(_text, tasks))}]{rest}}}')


def _text(task: Task) -> str:
    spelled = ["null" if value is None else _SPELL[type(value)](value) for value in _values(task.__dict__)]
    return _TEMPLATE % tuple(spelled)


@lru_cache(maxsize=1024)
def _instant(moment: datetime) -> str:
    return f'"{format_instant(moment)}"'


_SPELL: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys((str, Status, Curve), encode_basestring),
    **dict.fromkeys((dict, list, bool), dumps),
    int: int.__repr__,
    float: float.__repr__,
    UUID: lambda value: f'"{value}"',
    datetime: _instant,
}
