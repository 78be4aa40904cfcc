"""Every error is a problem (RFC 9457), wherever it comes from."""

import pytest
from django.db import InterfaceError, OperationalError
from rest_framework.exceptions import ErrorDetail

from scheduler_service.errors import error_items, pointer
from tasks_app import queries
from tests.integration.http import client, get, post, problem

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[False, True], ids=["production", "debug"])
def debug(request, settings):
    settings.DEBUG = request.param


@pytest.mark.usefixtures("debug")
class TestOutsideOfTheViews:
    @pytest.mark.parametrize(
        "path", ["/nope", "/nope/", "/api/v1/", "/api/v1/nope/", "/tasks//x/", "/redoc/", "/%00"]
    )
    def test_an_unknown_address_is_a_problem(self, path):
        assert problem(get(path), 404)["code"] == "not_found"

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_so_is_any_method_there(self, method):
        problem(client.generic(method, "/nope", "{}"), 404)

    def test_an_unknown_host_is_a_problem(self):
        response = client.get("/tasks/", headers={"host": "evil.example"})
        assert problem(response, 400)["code"] == "unknown_host"

    def test_a_fault_of_the_service_is_a_problem_without_its_insides(self, monkeypatch):
        def fail(*args: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(queries, "of_project", fail)
        response = get("/tasks/")
        assert problem(response, 500)["code"] == "server_error"
        assert b"secret" not in response.content

    def test_a_fault_outside_of_the_views_is_one_too(self, monkeypatch):
        def fail(*args: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_request", fail)
        response = get("/tasks/")
        problem(response, 500)
        assert b"secret" not in response.content


def test_pages_for_people_keep_their_html_errors():
    response = get("/admin/nope/", follow=True)
    assert "html" in response.headers["Content-Type"]


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_a_database_out_of_reach_is_temporary(monkeypatch, error):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(queries, "of_project", fail)
    response = get("/tasks/")
    assert problem(response, 503)["code"] == "unavailable"
    assert int(response.headers["Retry-After"]) > 0


def test_an_answer_type_that_is_not_served_is_refused():
    response = client.get("/tasks/", headers={"accept": "application/xml"})
    assert "application/json" in problem(response, 406)["detail"]


def test_one_fault_is_told_in_the_detail_already():
    assert problem(post("/tasks/", {}), 400)["detail"] == "operation: This field is required."


def test_several_faults_are_counted_in_the_detail():
    assert "2 errors" in problem(post("/tasks/", {"priority": 11}), 400)["detail"]


def test_a_pointer_is_escaped_for_json_and_for_uris():
    assert pointer(()) == "#"
    assert pointer(("a/b", "m~n", 0, "ä b#%")) == "#/a~1b/m~0n/0/%C3%A4%20b%23%25"
    assert pointer(("\ud800",)) == "#/%3F"


def test_nested_faults_are_listed_with_their_places():
    fault = ErrorDetail("Bad.", code="bad")
    detail = {"a": {"b": {1: {"non_field_errors": [fault]}}}, "c": [fault, fault], "d": [{}, {"e": [fault]}]}
    assert [item["pointer"] for item in error_items(detail, (7,))] == [
        "#/7/a/b/1",
        "#/7/c",
        "#/7/c",
        "#/7/d/1/e",
    ]
