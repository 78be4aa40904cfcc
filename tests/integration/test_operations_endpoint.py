"""GET /operations/."""

import jsonschema
import pytest

from tasks_app.operations import registered
from tests.integration.http import client, faults, get, problem
from tests.support import registered_operation


def listed():
    return {one["name"]: one for one in get("/operations/").json()["results"]}


def test_every_registered_operation_is_listed_by_name():
    assert list(listed()) == sorted(known.name for known in registered())
    assert "arithmetic" in listed()


def test_an_operation_is_listed_with_what_its_decorator_and_signature_say():
    def handler(count: int, label: str = "x") -> None:
        """Counts.

        Details.
        """

    with registered_operation(
        handler, "test.listed", timeout_seconds=5, max_attempts=2, queue="own", quick=True
    ):
        one = listed()["test.listed"]
    assert (one["description"], one["timeout_seconds"], one["max_attempts"]) == ("Counts.", 5.0, 2)
    assert (one["queue"], one["quick"]) == ("own", True)
    assert one["arguments_schema"]["required"] == ["count"]


def test_the_schemas_are_json_schemas():
    for one in listed().values():
        jsonschema.Draft202012Validator.check_schema(one["arguments_schema"])


def test_a_query_parameter_is_refused():
    assert faults(get("/operations/", page=1)) == {("page", "unknown_parameter")}


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_it_takes_no_other_method(method):
    problem(client.generic(method, "/operations/"), 405)
