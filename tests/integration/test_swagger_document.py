"""/swagger.json and /swagger/: a valid document, whole, and a page that needs no other server."""

import re
import warnings

import pytest

from tests.integration.http import client, get

pytestmark = pytest.mark.django_db


@pytest.fixture
def document():
    response = get("/swagger.json")
    assert response.status_code == 200
    return response.json()


def operations(document):
    methods = ("get", "post", "patch", "put", "delete")
    return {
        f"{method.upper()} {path}": item[method]
        for path, item in document["paths"].items()
        for method in methods
        if method in item
    }


def body_of(operation):
    return next((one["schema"] for one in operation["parameters"] if one["in"] == "body"), None)


def resolved(document, schema):
    if schema.get("type") == "array":
        return resolved(document, schema["items"])
    return document["definitions"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


def test_the_document_is_valid_swagger_2(document):
    with warnings.catch_warnings():
        # The validator still uses jsonschema's old resolver.
        warnings.simplefilter("ignore", DeprecationWarning)
        from swagger_spec_validator.validator20 import validate_spec

        validate_spec(document)
    assert document["swagger"] == "2.0"


def test_every_address_is_in_it_once(document):
    of_schedules = ("/task-schedules/", "/calendars/", "/forecast/")
    own = {name for name in operations(document) if not name.split()[1].startswith(of_schedules)}
    assert own == {
        "GET /tasks/",
        "POST /tasks/",
        "POST /tasks/batch-request/",
        "GET /tasks/{task_id}/",
        "DELETE /tasks/{task_id}/",
        "POST /tasks/{task_id}/cancel/",
        "POST /tasks/{task_id}/retry/",
        "GET /tasks/{task_id}/callbacks/",
        "GET /operations/",
        "GET /audit/",
        "GET /health/live",
        "GET /health/ready",
    }


def test_every_answer_has_a_description_and_an_example(document):
    bare = [
        f"{name} {status}"
        for name, operation in operations(document).items()
        for status, response in operation["responses"].items()
        if not response["description"] or (status not in {"204", "304"} and not response.get("examples"))
    ]
    assert bare == []


def test_every_body_has_an_example(document):
    bodies = {name: body_of(operation) for name, operation in operations(document).items()}
    assert [name for name, body in bodies.items() if body and "example" not in resolved(document, body)] == []


def test_every_error_is_a_problem(document):
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if status >= "400" and "/health/" not in name:
                assert response["schema"] == {"$ref": "#/definitions/Problem"}, (name, status)


def test_errors_follow_from_what_an_address_takes(document):
    listed = operations(document)
    assert set(listed["POST /tasks/"]["responses"]) == {"200", "202"} | {
        *("400", "401", "403", "406", "409", "413", "415", "422", "429", "503")
    }
    everywhere = {"400", "401", "403", "406", "429", "503"}
    assert set(listed["GET /tasks/"]["responses"]) == {"200"} | everywhere
    assert set(listed["DELETE /tasks/{task_id}/"]["responses"]) == {"204", "404", "409"} | everywhere
    cancelled = {"200", "202", "404", "409"} | everywhere
    assert set(listed["POST /tasks/{task_id}/cancel/"]["responses"]) == cancelled


def test_requests_have_no_other_fields_and_no_blank_texts(document):
    new = document["definitions"]["NewTask"]
    assert new["additionalProperties"] is False
    assert new["properties"]["tags"]["items"]["pattern"] == r"\S"
    assert "additionalProperties" not in document["definitions"]["Task"]
    assert "pattern" not in document["definitions"]["Task"]["properties"]["operation"]


def test_what_was_created_says_where_it_is(document):
    for name, status in (
        ("POST /tasks/", "202"),
        ("POST /task-schedules/", "201"),
        ("POST /calendars/", "201"),
    ):
        assert operations(document)[name]["responses"][status]["headers"]["Location"]["x-required"]


def test_every_operation_but_the_probes_asks_for_a_key_and_names_its_scope(document):
    assert document["securityDefinitions"]["key"] == {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Bearer key_….…`: the word Bearer, a space, and a key.",
    }
    assert document["security"] == [{"key": []}]
    for name, operation in operations(document).items():
        if "/health/" in name:
            assert operation["security"] == [], name
            continue
        assert "security" not in operation, name
        needed = operation["responses"]["403"]["examples"]["application/problem+json"]["detail"]
        assert needed.startswith("This needs the scope "), name


def test_the_body_of_a_batch_is_an_array_of_new_tasks(document):
    body = body_of(operations(document)["POST /tasks/batch-request/"])
    assert body == {"type": "array", "items": {"$ref": "#/definitions/NewTask"}}


def test_examples_of_a_task_have_the_fields_of_a_real_one(document):
    real = client.post("/tasks/", document["definitions"]["NewTask"]["example"], format="json").json()
    assert list(document["definitions"]["Task"]["example"]) == list(real)
    assert list(document["definitions"]["Task"]["properties"]) == list(real)


def test_every_filter_and_page_parameter_is_documented(document):
    names = {one["name"] for one in operations(document)["GET /tasks/"]["parameters"]}
    assert {"status", "tag", "created_after", "cursor", "page_size", "ordering"} < names


def test_the_page_loads_nothing_from_elsewhere():
    page = client.get("/swagger/", headers={"accept": "text/html"}).content.decode()
    assert "swagger-ui" in page
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page) == []


def test_the_pages_files_are_served_by_the_service_itself():
    page = client.get("/swagger/", headers={"accept": "text/html"}).content.decode()
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(files) > 5
    for path in files:
        response = client.get(path)
        assert response.status_code == 200
        response.close()


def test_the_root_leads_to_the_page():
    response = get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/swagger/")


def test_there_is_no_second_page_that_would_load_its_logo_from_elsewhere():
    assert get("/redoc/").status_code == 404
