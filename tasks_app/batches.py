"""Many tasks in one request: which of the items are tasks, and what is wrong with the others."""

from typing import Any

from django.conf import settings
from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail, ValidationError

from scheduler_service.errors import QueryError, error_items
from tasks_app import alike, quick
from tasks_app.filters import check_parameters
from tasks_app.records import Alike, NewTask

Fault = dict[str, Any]
BOOLEANS = {"true": True, "false": False}


def read_atomic(parameters: QueryDict) -> bool:
    """The query parameter `atomic`; raises QueryError unless it is `true`, `false` or missing."""
    check_parameters(parameters, ["atomic"])
    text = parameters.get("atomic", "false")
    if text not in BOOLEANS:
        raise QueryError({"atomic": [ErrorDetail("Use true or false.", code="invalid")]})
    return BOOLEANS[text]


def read_alike(items: Any) -> Alike | None:
    """A batch of plainly right items of one shape; None: `read_batch` can tell. Raises ValidationError as that does."""
    _check_array(items)
    return alike.read(items)


def read_batch(items: Any, *, is_atomic: bool) -> tuple[list[NewTask], list[Fault]]:
    """The valid items of a batch, in its order, and what is wrong with the others, by index.

    Raises ValidationError when `items` is no array or too long, when none of them is valid, and, if `is_atomic`,
    when any is not.
    """
    _check_array(items)
    new, faults = _validate(items)
    if faults and (is_atomic or not new):
        raise ValidationError(faults)  # type: ignore[arg-type]
    errors = [{"index": index, "errors": error_items(detail, (index,))} for index, detail in faults.items()]
    return new, errors


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


def _validate(items: list[Any]) -> tuple[list[NewTask], dict[int, Any]]:
    new: list[NewTask] = []
    faults: dict[int, Any] = {}
    for index, item in enumerate(items):
        try:
            new.append(NewTask(**quick.validated(item)))
        except ValidationError as error:
            faults[index] = error.detail
    return new, faults
