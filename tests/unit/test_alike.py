"""Batches that are kept by columns against the way item by item."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_service.json import dumps
from tasks_app import alike, quick, rows, spelling
from tasks_app.models import Task
from tasks_app.operations import registry
from tasks_app.operations.context import Context
from tasks_app.records import Alike, NewTask
from tests.unit.test_quick_check import ALONE, EDGES, FIELDS, ITEMS, TAGS

NOW = datetime(2027, 1, 1, tzinfo=UTC)
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "operation": st.sampled_from(["4+7", " 4+7 ", "1+1"]),
    "arguments": st.just({}),
    "priority": st.integers(0, 9),
    "queue": st.sampled_from(["tasks", "mail", None]),
    "tags": st.sampled_from([[], ["a"], ["b", "a"], [" a", '"\\%é\u2028🙂']]) | TAGS,
    "max_attempts": st.sampled_from([1, 2, 100, None]),
    "timeout_seconds": st.sampled_from([1, 1.0, 0.5, None]),
    "retry_backoff": st.sampled_from(["linear", "fixed", None]),
    "retry_base_seconds": st.sampled_from([2, 2.0, 0.5, None]),
    "retry_cap_seconds": st.sampled_from([60.5, 60.0, None]),
    "unique_key": st.sampled_from([None, None, None, None, "k"]),
    "callback_url": st.sampled_from([None, "https://a.example.com/", 'https://b.example.com/?c="d%20e']),
    "run_at": st.sampled_from([None, "2020-01-01T00:00:00Z", "2990-01-01T00:00:00+02:00"]),
    "expires_at": st.sampled_from([None, "2990-06-01T00:00:00Z", "2990-06-01T00:00:00.5+02:00"]),
}
KEPT = {
    "operation": st.sampled_from(["arithmetic", "debug.echo"]),
    "arguments": st.sampled_from(
        [{"expression": "1+1"}, {"expression": " 1 + 1"}, {"value": 1}, {"value": 1.0}]
    ),
}


@st.composite
def batches(draw: Any) -> list[Any]:
    """Items of one shape: all of them right, or some of them wrong, or of any values."""
    names = ["operation", *draw(st.lists(st.sampled_from(sorted(RIGHT)), unique=True, max_size=5))]
    fields = draw(st.sampled_from([RIGHT, RIGHT, RIGHT, {**RIGHT, **KEPT}, FIELDS]))
    return draw(
        st.lists(st.fixed_dictionaries({name: fields[name] for name in names}), min_size=1, max_size=4)
    )


def one_by_one(items: list[Any], ids: list[str], batch_id: UUID) -> list[Task]:
    """The tasks of valid items, settled; raises ValidationError for others."""
    new = [
        NewTask(**{**quick.validated(item), "task_id": UUID(key), "batch_id": batch_id})
        for item, key in zip(items, ids, strict=True)
    ]
    tasks = [rows.new_row(each) for each in new]
    rows.settle(tasks, NOW)
    return tasks


def told(row: Any) -> list[str]:
    # As texts: 1, 1.0 and True are equal.
    return [dumps(value) if isinstance(value, dict | list) else f"{value}" for value in row]


def assert_the_same(new: Alike, items: list[Any]) -> None:
    settled = rows.settle_alike(new, NOW)
    batch_id = new.same["batch_id"]
    tasks = one_by_one(items, list(new.each["task_id"]), batch_id)
    assert [told(row) for row in rows.rows_of(settled)] == [told(rows.columns(task)) for task in tasks]
    assert spelling.spell_alike(settled) == spelling.spell_all(tasks, errors=[], batch_id=str(batch_id))


@given(batches() | st.lists(ALONE, max_size=3) | st.lists(ITEMS, max_size=3))
@settings(max_examples=600, deadline=None)
def test_what_is_read_by_columns_is_what_its_items_say_one_by_one(items):
    new = alike.read(items)
    if new is not None:
        assert_the_same(new, items)


@pytest.mark.parametrize("fields", EDGES, ids=lambda fields: repr(fields)[:40])
def test_it_agrees_at_the_edges_of_each_rule(fields):
    items = [{"operation": "4+7", **fields}] * 2
    new = alike.read(items)
    if new is not None:
        assert_the_same(new, items)


ORDINARY = [
    [{"operation": "4+7"}] * 3,
    [{"operation": "4+7", "arguments": {}, "tags": ["a"]}, {"operation": "1+1", "arguments": {}, "tags": []}],
    [{"operation": "arithmetic", "arguments": {"expression": f"{n}+1"}, "priority": n} for n in range(9)],
    [{"operation": "4+7", "run_at": time} for time in (None, "2020-01-01T00:00:00Z", "2990-01-01T00:00:00Z")],
    [{"operation": "4+7", "timeout_seconds": 1.0 * n, "unique_key": None} for n in range(1, 4)],
]


@pytest.mark.parametrize("items", ORDINARY)
def test_an_ordinary_batch_is_read_by_columns(items):
    new = alike.read(items)
    assert new is not None
    assert_the_same(new, items)


DOUBTFUL = {
    "two shapes": [{"operation": "4+7"}, {"operation": "4+7", "priority": 1}],
    "no object": [{"operation": "4+7"}, None],
    "a key": [{"operation": "4+7", "unique_key": "a"}],
    "a number and a truth": [{"operation": "4+7", "priority": 1}, {"operation": "4+7", "priority": True}],
    "a wrong argument": [
        {"operation": "arithmetic", "arguments": {"expression": text}} for text in ("1", "1+")
    ],
    "an argument of an expression": [{"operation": "4+7", "arguments": {"a": 1}}],
    "a missing argument": [{"operation": "arithmetic"}],
    "an operation that checks more": [
        {"operation": "http.request", "arguments": {"url": "http://a.example"}}
    ],
    "an array as text": [{"operation": ["4+7"]}],
    "an object among tags": [{"operation": "4+7", "tags": [{}]}],
    "a passed time": [{"operation": "4+7", "expires_at": "2020-01-01T00:00:00Z"}],
    "nothing": [],
}


@pytest.mark.parametrize("items", DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_may_be_wrong_or_is_not_alike_is_left_to_the_way_item_by_item(items):
    assert alike.read(items) is None


@pytest.fixture
def anything():
    """An operation that takes any arguments, and a Context."""

    def handler(context: Context, **values: Any) -> None:
        pass

    registry.operation("test.anything", timeout_seconds=30)(handler)
    yield "test.anything"
    registry.remove("test.anything")


VALUES = [
    {"a": 1, "b": [1.0, True, None, {"c": '"\\%'}]},
    {"b": [], "a": {}},
    {},
    {"é\u2028": "🙂", "%s": "'"},
]


@pytest.mark.parametrize("chosen", [VALUES, VALUES[1:2] * 3, [{"a": 1}, {"a": 1.0}, {"a": True}]])
def test_arguments_are_stored_and_told_as_they_were_sent(anything, chosen):
    items = [{"operation": anything, "arguments": arguments} for arguments in chosen]
    new = alike.read(items)
    assert new is not None
    assert_the_same(new, items)


@pytest.mark.parametrize("arguments", [{"context": 1}, {"a": "a" * 262_145}, {"a": "é" * 131_073}])
def test_arguments_that_an_operation_might_refuse_are_left_to_the_way_item_by_item(anything, arguments):
    assert alike.read([{"operation": anything, "arguments": {}}]) is not None
    assert alike.read([{"operation": anything, "arguments": arguments}]) is None


def test_a_number_that_an_operation_sets_is_spelled_as_the_operation_has_it(anything):
    items = [{"operation": anything, "timeout_seconds": seconds} for seconds in (30.0, None)]
    new = alike.read(items)
    assert new is not None
    assert_the_same(new, items)
