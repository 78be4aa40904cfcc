"""Statements that are spelled once read what the ORM reads."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection

from tasks_app import queries, store
from tasks_app.lifecycle import Outcome, Status
from tasks_app.models import Attempt, Task
from tests.integration.helpers import at, claim, create, ending, new_task

pytestmark = pytest.mark.django_db


def columns(instance):
    return {
        field.attname: (type(value), value)
        for field in instance._meta.concrete_fields
        for value in [getattr(instance, field.attname)]
    }


def test_a_task_is_read_as_the_orm_reads_it():
    new = new_task(
        arguments={"a": [1, 2.5, "ä", None, {"b": True}]},
        tags=["one", "two"],
        run_at=at(0),
        expires_at=at(0) + timedelta(days=1),
        batch_id=uuid4(),
        callback_url="https://example.org/",
    )
    (task_id,) = create(new)
    store.finish([ending(claim(now=at(1))[0], result=["text", {"sum": 11}])], at(2))
    found = queries.find(task_id, 1)
    assert columns(found) == columns(Task.objects.get(pk=task_id))
    assert not found._state.adding
    assert found._state.db == connection.alias


def test_attempts_are_read_as_the_orm_reads_them():
    (task_id,) = create()
    failure = ending(claim(now=at(0))[0], Status.RETRY, outcome=Outcome.ERROR, error={"code": "boom"})
    store.finish([failure], at(1))
    store.promote(at(2))
    store.finish([ending(claim(now=at(3))[0], result=1)], at(4))
    read = queries.attempts_of(queries.find(task_id, 1))
    stored = list(Attempt.objects.filter(task_id=task_id).order_by("fence"))
    assert [columns(one) for one in read] == [columns(one) for one in stored]
    assert len(read) == 2


def test_a_task_of_another_project_is_not_found():
    (task_id,) = create()
    assert queries.find(task_id, 2) is None


def test_a_task_that_was_never_claimed_costs_one_look(django_assert_num_queries):
    (task_id,) = create()
    with django_assert_num_queries(1):
        assert queries.attempts_of(queries.find(task_id, 1)) == []
