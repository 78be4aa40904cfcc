"""Every answer carries the id of its request, and so does what is logged meanwhile."""

import logging
import uuid

import pytest

from scheduler_service import logs
from tasks_app import queries
from tests.integration.http import client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("given", ["7", "a" * 128, "0190-aB_.:+/=", str(uuid.uuid4())])
def test_a_sane_id_is_answered_back(given):
    assert client.get("/tasks/", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", " ", "a b", "a" * 129, "a\tb", "ü", 'x"', "a\x00b", "{}", "a,b"])
def test_any_other_is_replaced_by_a_new_one(given):
    answered = [
        client.get("/tasks/", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in range(2)
    ]
    assert len({uuid.UUID(one) for one in answered}) == 2


@pytest.mark.parametrize(
    ("path", "status"), [("/tasks/?nope=1", 400), ("/nope", 404), ("/admin/", 302), ("/swagger/", 200)]
)
def test_every_kind_of_answer_has_one(path, status):
    response = client.get(path, headers={"X-Request-ID": "r1"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (status, "r1")


def test_so_has_the_refusal_of_an_unknown_host():
    response = client.get("/tasks/", headers={"host": "evil.example", "X-Request-ID": "r1"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (400, "r1")


class Catcher(logging.Handler):
    def __init__(self):
        super().__init__()
        self.caught = []

    def emit(self, record):
        self.caught.append((record.name, record.exc_info is not None, logs.fields_of(record)))


@pytest.fixture
def caught():
    catcher = Catcher()
    logging.getLogger().addHandler(catcher)
    yield catcher.caught
    logging.getLogger().removeHandler(catcher)


def test_a_fault_is_answered_and_logged_with_the_same_id(monkeypatch, caught):
    def fail(project_id):
        raise RuntimeError("broken")

    monkeypatch.setattr(queries, "of_project", fail)
    response = client.get("/tasks/", headers={"X-Request-ID": "r1"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (500, "r1")
    assert caught == [("django.request", True, {"request_id": "r1"})]


def test_a_fault_before_the_views_is_too(monkeypatch, caught):
    def fail(*args):
        raise RuntimeError("broken")

    monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_request", fail)
    response = client.get("/tasks/", headers={"X-Request-ID": "r1"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (500, "r1")
    assert ("django.request", True, {"request_id": "r1"}) in caught


def test_the_id_does_not_outlive_its_request():
    client.get("/tasks/", headers={"X-Request-ID": "r1"})
    assert logs.fields_of(logging.makeLogRecord({})) == {}
