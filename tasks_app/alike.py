"""Batches whose items name the same fields: checked and kept by columns, with no object made for an item.

The rules stay those of `quick` and of the operations, and what is not plainly right for all is in doubt for all: then
the way item by item finds the faults and words them.
"""

from collections.abc import Sequence
from itertools import compress, repeat
from operator import itemgetter
from typing import Any

from django.conf import settings
from rest_framework.exceptions import ValidationError

from access_app.principals import DEFAULT_PROJECT
from scheduler_service.json import dumps, dumps_each
from tasks_app.batch_ids import new_batch_id
from tasks_app.defaults import backoff_of
from tasks_app.fields import SLOW
from tasks_app.ids import from_text, new_ids
from tasks_app.operations import OperationError, resolve
from tasks_app.quick import quick_check
from tasks_app.records import Alike
from tasks_app.serializers import check_expiry
from tasks_app.task_template import DEFAULT_PRIORITY, defaults

Columns = dict[str, Sequence[Any]]

# What of a task follows from what its item and its operation say.
_CHOSEN = (
    "operation",
    "queue",
    "max_attempts",
    "timeout_seconds",
    "retry_backoff",
    "retry_base_seconds",
    "retry_cap_seconds",
)
_OWN = ("priority", "run_at", "expires_at", "callback_url")
"""What is kept as it was checked."""
_DOCUMENTS = ("arguments", "tags")
_DEFAULTS: dict[str, Any] = {
    "arguments": "{}",
    "tags": "[]",
    "priority": DEFAULT_PRIORITY,
}


class _DoubtError(Exception):
    """The items may be wrong, or not alike."""


def read(items: list[Any], project_id: int = DEFAULT_PROJECT) -> Alike | None:
    """The tasks of a batch from StrictJSONParser; None: some item may be wrong, or is of another shape."""
    try:
        new = _read(_columns(items), len(items))
    except (_DoubtError, OperationError, TypeError, ValidationError):
        return None
    # All ids are made in one go: the closer they lie, the fewer others lie among them.
    ids = new_ids(new.size)
    batch_id = new_batch_id(from_text(ids[0]), from_text(ids[-1]))
    same = {**new.same, "project_id": project_id, "batch_id": batch_id}
    return new._replace(same=same, each={"task_id": ids, **new.each})


def inheriting(new: Alike, name: str, value: Any) -> Alike:
    """The same tasks, with this value in the column `name` where there is none."""
    if name in new.each:
        own = [value if each is None else each for each in new.each[name]]
        return new._replace(each={**new.each, name: own})
    return new if new.same.get(name) is not None else new._replace(same={**new.same, name: value})


def _columns(items: list[Any]) -> Columns:
    if set(map(type, items)) != {dict} or len(shapes := set(map(tuple, items))) != 1:
        raise _DoubtError
    [names] = shapes
    if not quick_check().is_complete(names):
        raise _DoubtError
    return {name: list(map(itemgetter(name), items)) for name in names}


def _read(given: Columns, size: int) -> Alike:
    checked = {name: _checked(name, values) for name, values in given.items() if name not in _DOCUMENTS}
    _check_keys_and_times(checked)
    own: Columns = {name: checked[name] for name in _OWN if name in checked}
    own["arguments"] = _arguments(given.get("arguments", ()), checked["operation"])
    own["tags"] = _tags(given.get("tags", ()))
    alike = {name: values[0] for name, values in own.items() if values and len(set(values)) == 1}
    differing = {name: values for name, values in own.items() if values and name not in alike}
    same, each = _chosen(list(zip(*(checked.get(name, repeat(None)) for name in _CHOSEN), strict=False)))
    return Alike(size, {**_DEFAULTS, **alike, **same}, {**differing, **each})


def _chosen(asked: list[tuple[Any, ...]]) -> tuple[dict[str, Any], Columns]:
    """The columns `_CHOSEN`: what all tasks have, and where they differ."""
    made = {values: _choose(values) for values in set(asked)}
    same: dict[str, Any] = {}
    each: Columns = {}
    for name, values in zip(_CHOSEN, zip(*made.values(), strict=True), strict=True):
        if len(set(zip(map(type, values), values, strict=True))) == 1:  # 2 and 2.0 are spelled differently
            same[name] = values[0]
        else:
            known = dict(zip(made, values, strict=True))
            each[name] = [known[row] for row in asked]
    return same, each


def _checked(name: str, values: Sequence[Any]) -> Sequence[Any]:
    checked = quick_check().column(name, values)
    if checked is None:
        raise _DoubtError
    return checked


def _check_keys_and_times(checked: Columns) -> None:
    if any(key is not None for key in checked.get("unique_key", ())):
        raise _DoubtError
    if "expires_at" in checked:
        for pair in set(zip(checked.get("run_at", repeat(None)), checked["expires_at"], strict=False)):
            check_expiry(*pair)


def _choose(values: tuple[Any, ...]) -> tuple[Any, ...]:
    asked = dict(zip(_CHOSEN, values, strict=True))
    operation = resolve(asked["operation"])
    curve, base_seconds, cap_seconds = values[4:]
    backoff = backoff_of(operation, curve=curve, base_seconds=base_seconds, cap_seconds=cap_seconds)
    rest = defaults(asked, operation)
    return (
        asked["operation"],
        rest["queue"],
        rest["max_attempts"],
        rest["timeout_seconds"],
        backoff.curve,
        backoff.base_seconds,
        backoff.cap_seconds,
    )


def _arguments(given: Sequence[Any], operations: Sequence[str]) -> list[str]:
    """The JSON of arguments that the operations surely keep as they are; empty if no item names any."""
    if not set(map(type, given)) <= {dict}:
        raise _DoubtError
    texts = dumps_each(given)
    # A character has four bytes at most: what is nearer to the limit is counted elsewhere.
    if texts and 4 * len(max(texts, key=len)) > settings.CONFIG.max_arguments_bytes:
        raise _DoubtError
    owners = {name: resolve(name) for name in set(operations)}
    for owner in {id(owner): owner for owner in owners.values()}.values():
        mine = [owners[name] is owner for name in operations] if len(owners) > 1 else repeat(True)
        values, spelled = list(compress(given, mine)), list(compress(texts, mine))
        if not owner.keeps_all(values or [{}], spelled or ["{}"]):
            raise _DoubtError
    return texts


def _tags(given: Sequence[Any]) -> list[str]:
    """The JSON of tags; empty if no item names any."""
    if not set(map(type, given)) <= {list}:
        raise _DoubtError
    lists = list(map(tuple, given))
    check = quick_check().of("tags")
    texts = {}
    for tags in set(lists):
        if (checked := check(list(tags))) is SLOW:
            raise _DoubtError
        texts[tags] = dumps(checked)
    return [texts[tags] for tags in lists]
