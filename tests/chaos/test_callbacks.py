"""The judge of callbacks is content with a good history, and catches each way in which one can be spoilt."""

from dataclasses import replace

import pytest

from tests.chaos.checker import check
from tests.chaos.history import CallbackRow, Change, History
from tests.chaos.samples import TASK, a_row, changes, good, kinds

DELIVERY = "task-9"


def told(**values: object) -> History:
    """A good history in which a task's end was told."""
    history = good()
    data = {"task_id": TASK, "status": "SUCCESS", "attempt": 1, **values}
    delivery = a_row(
        task_id=DELIVERY,
        operation="http.request",
        status="ERROR",
        arguments={"json": {"data": data}},
        tags=(),
    )
    tasks = [replace(history.tasks[0], callback_url="http://127.0.0.1:9/"), *history.tasks[1:], delivery]
    steps: list[Change] = [replace(change, task_id=DELIVERY) for change in changes()]
    notes = [CallbackRow(task_id=TASK, number=0, delivery_task_id=DELIVERY)]
    return replace(history, tasks=tasks, changes=[*history.changes, *steps], callbacks=notes)


def test_an_end_that_was_told_once_is_good() -> None:
    assert check(told()) == []


def test_an_end_without_a_note_is_caught() -> None:
    assert kinds(replace(told(), callbacks=[])) == {"untold"}


@pytest.mark.parametrize("delivery", [None, "task-77"])
def test_a_note_without_a_task_is_caught(delivery: str | None) -> None:
    notes = [CallbackRow(task_id=TASK, number=0, delivery_task_id=delivery)]
    assert kinds(replace(told(), callbacks=notes)) == {"untold"}


def test_a_task_that_tells_again_is_caught() -> None:
    history = told()
    twin = replace(history.tasks[-1], task_id="task-10")
    assert kinds(replace(history, tasks=[*history.tasks, twin])) == {"told_twice"}


def test_a_telling_that_nobody_asked_for_is_caught() -> None:
    history = told()
    plain = replace(history.tasks[0], callback_url=None)
    assert kinds(replace(history, tasks=[plain, *history.tasks[1:]])) == {"told_unasked"}


def test_a_telling_of_something_else_is_caught() -> None:
    assert kinds(told(status="ERROR")) == {"told_wrong"}
