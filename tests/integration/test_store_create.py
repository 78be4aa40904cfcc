"""What `store.create` writes: every value as it was given, all tasks or none."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks_app import store
from tasks_app.lifecycle import Backoff, Curve, Status
from tasks_app.models import Task
from tests.integration.helpers import NOON, at, new_task

pytestmark = pytest.mark.django_db

# Neither database's text may hold NUL; the rest is what an array's or a JSON text could trip over.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("\"\\{},\n\t %'NULL"),
    min_size=1,
    max_size=20,
)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from([1.0, 0.1, 1.5e-7, 2**63 - 1]), TEXTS
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis takes its bounds so
SECONDS = st.sampled_from([0.001, 2, 2.0, 0.1 + 0.2, 31_536_000.0])
NEW = st.fixed_dictionaries(
    {
        "operation": TEXTS,
        "arguments": st.dictionaries(TEXTS, JSON, max_size=3),
        "tags": st.lists(TEXTS, max_size=3),
        "priority": st.integers(0, 9),
        "queue": TEXTS,
        "timeout_seconds": SECONDS,
        "run_at": st.none() | TIMES,
        "expires_at": st.none() | TIMES,
        "task_schedule": st.none() | st.uuids(),
        "retry_of": st.none() | st.uuids(),
        "backoff": st.builds(Backoff, SECONDS, SECONDS, st.sampled_from(Curve)),
    }
)


def columns(task: Task) -> dict[str, str]:
    """All columns as texts, since 1, 1.0 and True are equal."""
    values = {field.attname: getattr(task, field.attname) for field in Task._meta.concrete_fields}
    floats = ("timeout_seconds", "retry_base_seconds", "retry_cap_seconds")
    values |= {name: float(values[name]) for name in floats}
    # jsonb orders keys by itself, and has no float without a fraction.
    documents = {name: json.dumps(values[name], sort_keys=True) for name in ("arguments", "tags")}
    return {name: str(value) for name, value in (values | documents).items()}


@given(st.lists(NEW, min_size=1, max_size=4), st.sampled_from([NOON, None]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_value_is_stored_and_answered_as_it_was_given(batch, now):
    created = store.create([new_task(**fields) for fields in batch], now)
    stored = Task.objects.in_bulk([task.task_id for task in created])
    assert [columns(task) for task in created] == [columns(stored[task.task_id]) for task in created]


def test_a_new_row_is_what_the_model_would_make_of_it():
    [task] = store.create([new_task()], NOON)
    made = Task(**{field.attname: getattr(task, field.attname) for field in Task._meta.concrete_fields})
    assert vars(task).keys() == vars(made).keys()
    assert task == made


def test_tasks_of_one_batch_are_created_at_one_moment_of_the_database():
    before = store.database_now()
    soon, late = before + timedelta(seconds=-1), before + timedelta(hours=1)
    batch = [new_task(), new_task(run_at=soon), new_task(run_at=late)]
    created = store.create(batch)
    moments = {task.created_at for task in created}
    assert moments == {created[0].run_at}
    assert before <= moments.pop() <= store.database_now()
    assert [task.run_at for task in created[1:]] == [soon, late]
    assert [task.status for task in created] == [Status.PENDING, Status.PENDING, Status.SCHEDULED]


def test_documents_that_python_takes_for_equal_stay_different():
    created = store.create([new_task("debug.echo", arguments={"value": value}) for value in (1, True)], NOON)
    values = [Task.objects.get(pk=task.pk).arguments["value"] for task in created]
    assert [repr(value) for value in values] == ["1", "True"]


@pytest.mark.parametrize("key", [None, "mine"])
@pytest.mark.django_db(transaction=True)
def test_an_id_that_is_taken_leaves_the_whole_batch_out(key):
    taken = new_task(task_id=UUID(int=7))
    store.create([taken], NOON)
    with pytest.raises(IntegrityError):
        store.create([new_task(), new_task(unique_key=key), taken], at(1))
    assert Task.objects.count() == 1


@pytest.mark.parametrize("now", [NOON, None])
@pytest.mark.django_db(transaction=True)
def test_tasks_without_keys_are_created_in_one_statement_and_rung_for_after_it(now, monkeypatch):
    seen: list[int] = []
    store.create([new_task()])  # what a connection prepares is prepared now
    with CaptureQueriesContext(connection) as queries:
        monkeypatch.setattr("tasks_app.doorbell.ring", lambda queue: seen.append(len(queries)))
        store.create([new_task() for _ in range(3)], now)
    assert (len(queries), seen) == (1, [1])
