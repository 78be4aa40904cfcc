"""Whether a kept connection still lives: PostgreSQL is asked only where its socket's silence is no answer."""

import select
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.postgresql import base

from tasks_app import prepared, store
from tasks_app.models import Task
from tests.integration.helpers import new_task

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL's connections can be lost"),
]


@pytest.fixture
def kept() -> Iterator[Any]:
    """A connection that a request has used, at the begin of the next request."""
    connection.close()
    connection.ensure_connection()
    begin_request()
    answer_to_select()
    yield connection
    connection.close()


def begin_request() -> None:
    connection.close_if_unusable_or_obsolete()


def answer_to_select() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def test_a_connection_that_was_checked_lately_is_not_asked_again(kept, monkeypatch):
    asked = watch_the_questions(monkeypatch)
    process = answer_to_select()
    begin_request()
    assert answer_to_select() == process
    assert asked == []


def test_a_connection_that_was_not_checked_for_long_is_asked(kept, monkeypatch):
    asked = watch_the_questions(monkeypatch)
    monkeypatch.setattr("scheduler_service.postgresql.base.TRUST_SECONDS", 0.0)
    begin_request()
    answer_to_select()
    assert len(asked) == 1


def test_a_connection_that_has_failed_is_asked(kept, monkeypatch):
    asked = watch_the_questions(monkeypatch)
    kept.errors_occurred = True
    begin_request()
    assert len(asked) == 1


def test_a_connection_that_the_server_has_ended_is_replaced(kept):
    process = answer_to_select()
    end_by_the_server(kept)
    begin_request()
    assert answer_to_select() != process


def test_the_successor_of_a_lost_connection_prepares_its_own_statements(kept):
    store.create([new_task()])
    end_by_the_server(kept)
    begin_request()
    store.create([new_task()])
    assert Task.objects.count() == 2
    assert kept.connection not in prepared._without


def end_by_the_server(kept: Any) -> None:
    process = answer_to_select()
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [process])
    other.close()
    # Until what the server says last has come.
    assert select.select([kept.connection], [], [], 10)[0]


def watch_the_questions(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each time that Django's own check, a statement, is made."""
    asked: list[None] = []
    check = base.DatabaseWrapper.is_usable

    def watched(self: Any) -> Any:
        asked.append(None)
        return check(self)

    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", watched)
    return asked
