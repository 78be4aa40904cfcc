"""The text of tasks in an answer against the serializer and the renderer."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_service.json import MAX_INTEGER, MIN_INTEGER, Spelled, StrictJSONRenderer
from tasks_app import spelling
from tasks_app.lifecycle import Curve, Status
from tasks_app.models import Task
from tasks_app.serializers import TaskSerializer

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\/\u2028\u2029\x7f\n'), max_size=20
)
INTEGERS = st.integers(MIN_INTEGER, MAX_INTEGER)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1), timezones=ZONES)  # noqa: DTZ001 - Hypothesis takes its bounds so
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGERS, FLOATS, TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
COLUMNS = {
    "task_id": st.uuids(),
    "operation": TEXTS,
    "arguments": st.dictionaries(TEXTS, JSON, max_size=3),
    "priority": st.integers(0, 9),
    "queue": TEXTS,
    "tags": st.lists(TEXTS, max_size=3),
    "unique_key": st.none() | TEXTS,
    "status": st.sampled_from(Status) | st.sampled_from([status.value for status in Status]),
    "result": JSON,
    "error": JSON,
    "progress": JSON,
    "attempt": st.integers(0, 100),
    "max_attempts": st.integers(1, 100),
    "retry_backoff": st.sampled_from(Curve) | st.sampled_from([curve.value for curve in Curve]),
    "retry_base_seconds": FLOATS | st.integers(1, 9),
    "retry_cap_seconds": FLOATS,
    "run_at": TIMES,
    "expires_at": st.none() | TIMES,
    "timeout_seconds": FLOATS,
    "callback_url": st.none() | TEXTS,
    "task_schedule": st.none() | st.uuids(),
    "retry_of": st.none() | st.uuids(),
    "created_at": TIMES,
    "started_at": st.none() | TIMES,
    "finished_at": st.none() | TIMES,
    "cancel_requested_at": st.none() | TIMES,
}
ANY = {"run_at": datetime(2030, 1, 1, tzinfo=UTC), "created_at": datetime(2030, 1, 1, tzinfo=UTC)}
TASKS = st.fixed_dictionaries(COLUMNS).map(lambda columns: Task(**columns))
FAULTS = st.lists(st.fixed_dictionaries({"index": st.integers(0, 9), "detail": TEXTS}), max_size=2)


def rendered(data: Any) -> bytes:
    return StrictJSONRenderer().render(data)


@given(TASKS)
@settings(max_examples=200, deadline=None)
def test_a_task_is_spelled_as_its_serializer_and_the_renderer_write_it(task):
    assert rendered(spelling.spell(task)) == rendered(TaskSerializer(task).data)


@given(st.lists(TASKS, max_size=3), FAULTS)
@settings(max_examples=50, deadline=None)
def test_a_batch_is_spelled_as_its_serializer_and_the_renderer_write_it(tasks, faults):
    expected = {"tasks": TaskSerializer(tasks, many=True).data, "errors": faults}
    assert rendered(spelling.spell_all(tasks, errors=faults)) == rendered(expected)


@pytest.mark.parametrize(
    ("column", "values"),
    [("arguments", [{"a": 1}, {"a": True}]), ("retry_base_seconds", [2, 2.0]), ("result", [1, True, 1.0])],
)
def test_what_python_takes_for_equal_is_spelled_as_it_is(column, values):
    tasks = [Task(**ANY, **{column: value}) for value in values]
    expected = {"tasks": TaskSerializer(tasks, many=True).data}
    assert rendered(spelling.spell_all(tasks)) == rendered(expected)


def test_a_spelled_answer_is_indented_for_who_asks_for_that():
    indented = StrictJSONRenderer().render(Spelled('{"a":[1,"\u2028"]}'), "application/json; indent=2")
    assert indented == b'{\n  "a": [\n    1,\n    "\\u2028"\n  ]\n}'


def test_a_spelled_answer_that_utf_8_cannot_hold_is_escaped():
    assert json.loads(rendered(Spelled('{"a":"\ud800"}'))) == {"a": "\ud800"}


def test_an_id_is_spelled_with_its_hyphens():
    task = Task(**{**ANY, "task_id": UUID(int=1)})
    assert '"task_id":"00000000-0000-0000-0000-000000000001"' in spelling.spell(task).text
