"""Many tasks in one request: which of the items are tasks, and what is wrong with the others."""

from typing import Any

from django.conf import settings
from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail, ValidationError

from access_app.principals import DEFAULT_PROJECT
from scheduler_service.errors import QueryError, error_items
from tasks_app import alike, quick
from tasks_app.batch_ids import new_batch_id
from tasks_app.callbacks.fields import NAME as CALLBACK_URL
from tasks_app.filters import check_parameters
from tasks_app.ids import new_id
from tasks_app.records import Alike, NewTask

Fault = dict[str, Any]
BOOLEANS = {"true": True, "false": False}


def read_atomic(parameters: QueryDict) -> bool:
    """The query parameter `atomic`; raises QueryError unless it is `true`, `false` or missing."""
    check_parameters(parameters, ["atomic", CALLBACK_URL])
    text = parameters.get("atomic", "false")
    if text not in BOOLEANS:
        raise QueryError({"atomic": [ErrorDetail("Use true or false.", code="invalid")]})
    return BOOLEANS[text]


def read_alike(
    items: Any, project_id: int = DEFAULT_PROJECT, callback_url: str | None = None
) -> Alike | None:
    """A batch of plainly right items of one shape; None: `read_batch` can tell. Raises ValidationError as that does."""
    _check_array(items)
    new = alike.read(items, project_id)
    return alike.inheriting(new, CALLBACK_URL, callback_url) if new and callback_url else new


def read_batch(
    items: Any, *, is_atomic: bool, project_id: int = DEFAULT_PROJECT, callback_url: str | None = None
) -> tuple[list[NewTask], list[Fault]]:
    """The valid items of a batch, in its order, and what is wrong with the others, by index.

    Those without a `callback_url` of their own are given this one.
    Raises ValidationError when `items` is no array or too long, when none of them is valid, and, if `is_atomic`,
    when any is not.
    """
    _check_array(items)
    valid, faults = _validate(items)
    if faults and (is_atomic or not valid):
        raise ValidationError(faults)  # type: ignore[arg-type]
    errors = [{"index": index, "errors": error_items(detail, (index,))} for index, detail in faults.items()]
    new = _batch(valid, project_id)
    for item in new:
        item.callback_url = item.callback_url or callback_url
    return new, errors


def _batch(valid: list[dict[str, Any]], project_id: int) -> list[NewTask]:
    """The tasks of a batch. All ids are made in one go: the closer they lie, the fewer others lie among them."""
    ids = [new_id() for _ in valid]
    batch_id = new_batch_id(ids[0], ids[-1]) if ids else None
    return [
        NewTask(**fields, task_id=task_id, project_id=project_id, batch_id=batch_id)
        for fields, task_id in zip(valid, ids, strict=True)
    ]


def _check_array(items: Any) -> None:
    limit = settings.CONFIG.batch_max_tasks
    if not isinstance(items, list):
        raise ValidationError(
            'Send a JSON array of tasks, for example [{"operation": "4+7"}].', "not_an_array"
        )
    if len(items) > limit:
        raise ValidationError(
            f"The batch has {len(items)} tasks; send at most {limit} in one request.", "too_many"
        )


def _validate(items: list[Any]) -> tuple[list[dict[str, Any]], dict[int, Any]]:
    valid: list[dict[str, Any]] = []
    faults: dict[int, Any] = {}
    for index, item in enumerate(items):
        try:
            valid.append(quick.validated(item))
        except ValidationError as error:
            faults[index] = error.detail
    return valid, faults
