"""/swagger.json is what generators of clients need: stable names, and types that take every answer of the service."""

import re
from typing import Any

import pytest
from jsonschema import Draft4Validator

from scheduler_service.urls import RememberedGenerator
from tests.integration.http import client, get

pytestmark = pytest.mark.django_db

OPERATION_IDS = {
    "tasks": "list create batch_request read delete cancel retry callbacks",
    "task_schedules": "list create read update delete preview preview_new pause resume trigger skip_next move "
    "restore tasks occurrences backfills_list backfills_create backfills_read backfills_cancel",
    "calendars": "list create read update delete",
    "forecast": "read",
    "operations": "list",
    "health": "live ready",
    "audit": "list",
}
"""Methods of clients: who renames one breaks the programs that are written against them."""


@pytest.fixture
def document() -> dict[str, Any]:
    response = get("/swagger.json")
    assert response.status_code == 200
    return dict(response.json())


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [o for item in document["paths"].values() for name, o in item.items() if name != "parameters"]


def answers(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{operation['operationId']} {status}", answer)
        for operation in operations(document)
        for status, answer in operation["responses"].items()
        if "schema" in answer
    ]


def strict(node: Any) -> Any:
    """A Swagger schema as a JSON Schema: what may be null says so, and an answer has no field that is not told."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    schema = {name: strict(inner) for name, inner in node.items() if name != "example"}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return {"anyOf": [{"type": "null"}, schema]} if schema.pop("x-nullable", False) else schema


def test_the_names_of_operations_are_those_that_clients_call(document: dict[str, Any]) -> None:
    wanted = [f"{tag}_{name}" for tag, names in OPERATION_IDS.items() for name in names.split()]
    assert sorted(operation["operationId"] for operation in operations(document)) == sorted(wanted)


def test_the_name_of_an_operation_begins_with_its_tag(document: dict[str, Any]) -> None:
    for operation in operations(document):
        [tag] = operation["tags"]
        assert operation["operationId"].startswith(tag.replace("-", "_") + "_")


def test_examples_of_answers_are_what_their_schemas_say(document: dict[str, Any]) -> None:
    definitions = strict(document["definitions"])
    for name, answer in answers(document):
        schema = {**strict(answer["schema"]), "definitions": definitions}
        for example in answer["examples"].values():
            faults = [fault.message for fault in Draft4Validator(schema).iter_errors(example)]
            assert (name, faults) == (name, [])


def test_a_result_may_be_any_json_value_and_null(document: dict[str, Any]) -> None:
    assert document["definitions"]["Task"]["properties"]["result"] == {"$ref": "#/definitions/AnyJSON"}
    assert "type" not in document["definitions"]["AnyJSON"]


def test_an_answer_that_may_be_null_as_a_whole_is_no_null_elsewhere(document: dict[str, Any]) -> None:
    forecast = document["definitions"]["Forecast"]["properties"]
    assert forecast["peak"]["x-nullable"]
    assert forecast["peak"]["description"].endswith("null: no tasks.")
    assert forecast["minutes"]["items"] == {"$ref": "#/definitions/ForecastMinute"}
    assert document["definitions"]["ForecastMinute"].keys() == {"type", "required", "properties"}


@pytest.mark.parametrize("name", ["Task", "TaskDetail", "TaskSchedule", "Occurrence", "Operation", "Attempt"])
def test_an_answer_has_all_of_its_fields(document: dict[str, Any], name: str) -> None:
    definition = document["definitions"][name]
    assert definition["required"] == list(definition["properties"])


def test_answers_are_held_to_no_limits_of_requests(document: dict[str, Any]) -> None:
    definitions = document["definitions"]
    assert definitions["NewTask"]["properties"]["priority"].keys() >= {"minimum", "maximum", "default"}
    priority = definitions["Task"]["properties"]["priority"]
    assert priority.keys() == {"title", "description", "type"}
    assert "minLength" not in definitions["Occurrence"]["properties"]["reason"]


def test_ids_in_addresses_are_uuids(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        formats = {one["name"]: one.get("format") for one in item.get("parameters", [])}
        assert formats == {name: "uuid" if name != "name" else None for name in re.findall(r"{(\w+)}", path)}


def test_a_body_is_required_where_one_is_needed(document: dict[str, Any]) -> None:
    optional = [
        operation["operationId"]
        for operation in operations(document)
        for one in operation["parameters"]
        if one["in"] == "body" and not one["required"]
    ]
    assert sorted(optional) == [f"task_schedules_{action}" for action in ("pause", "resume", "trigger")]


def test_the_document_is_drawn_up_once_and_tells_each_reader_the_host_he_asked(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOWED_HOSTS = ["one.example", "two.example"]
    drawn = []

    def whole(*given: Any, **named: Any) -> Any:
        drawn.append(given)
        return draw_up(*given, **named)

    base = RememberedGenerator.__base__
    draw_up = base.get_schema
    monkeypatch.setattr(RememberedGenerator, "known", {})
    monkeypatch.setattr(base, "get_schema", whole)
    first, second = (client.get("/swagger.json", HTTP_HOST=host) for host in settings.ALLOWED_HOSTS)
    over_tls = client.get("/swagger.json", HTTP_HOST="two.example", secure=True)
    assert len(drawn) == 1
    assert (first.json()["host"], second.json()["host"]) == ("one.example", "two.example")
    assert (second.json()["schemes"], over_tls.json()["schemes"]) == (["http"], ["https"])
    one, two = ({**answer.json(), "host": ""} for answer in (first, second))
    assert one == two
    settings.CONFIG = settings.CONFIG.model_copy(update={"batch_max_tasks": 3})
    client.get("/swagger.json", HTTP_HOST="one.example")
    assert len(drawn) == 2
