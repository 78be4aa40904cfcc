"""What keys of another project get of one that Schemathesis has filled, and what keys get that open nothing."""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft4Validator

from tests.acceptance.conformance.client import LATER, RANGE, Answer, Client, Things, bearer
from tests.acceptance.conformance.conftest import Run

pytestmark = pytest.mark.timeout(300)

BODIES = {
    ("PATCH", "/task-schedules/{schedule_id}/"): {"priority": 3},
    ("PATCH", "/calendars/{name}/"): {"description": "mine"},
    ("POST", "/task-schedules/{schedule_id}/move/"): {"occurs_at": LATER, "to": LATER},
    ("POST", "/task-schedules/{schedule_id}/restore/"): {"occurs_at": LATER},
    ("POST", "/task-schedules/{schedule_id}/backfills/"): RANGE,
}
"""Of the addresses that want one; the others take an empty object."""


@pytest.fixture(scope="package")
def document(run: Run) -> dict[str, Any]:
    return dict(run.service.request("GET", "/swagger.json"))


@pytest.fixture
def first(run: Run) -> Client:
    return Client(run.service.options.port, bearer(run.keys.first))


@pytest.fixture
def second(run: Run) -> Client:
    return Client(run.service.options.port, bearer(run.keys.second))


@pytest.fixture
def things(first: Client) -> Things:
    return Things.made(first)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield method.upper(), path, operation


def test_what_another_project_has_is_as_if_it_did_not_exist(
    document: dict[str, Any], first: Client, second: Client, things: Things
) -> None:
    before = first.send("GET", f"/task-schedules/{things.schedule_id}/").body
    nothing = Things.nowhere()
    tried = 0
    for method, path, _ in operations(document):
        names = re.findall(r"{(\w+)}", path)
        if not names:
            continue
        body = None if method in {"GET", "DELETE"} else BODIES.get((method, path), {})
        there = second.send(method, path.format(**vars(things)), body)
        nowhere = second.send(method, path.format(**vars(nothing)), body)
        assert (method, path, there.status) == (method, path, 404)
        assert there.without(*vars(things).values()) == nowhere.without(*vars(nothing).values())
        tried += 1
    assert tried > 20
    assert first.send("GET", f"/task-schedules/{things.schedule_id}/").body == before
    assert first.send("GET", f"/tasks/{things.task_id}/").body["status"] == "SCHEDULED"


def test_a_backfill_of_another_project_is_not_found_under_a_schedule_of_ones_own(
    second: Client, things: Things
) -> None:
    schedule = {"operation": "4+7", "every_x_days": 1, "starts_at": LATER}
    own = second.send("POST", "/task-schedules/", schedule).body
    path = f"/task-schedules/{own['task_schedule_id']}/backfills"
    for method, tail in (("GET", ""), ("POST", "cancel/")):
        there = second.send(method, f"{path}/{things.backfill_id}/{tail}")
        nowhere = second.send(method, f"{path}/{(other := str(uuid4()))}/{tail}")
        assert there.status == 404
        assert there.without(things.backfill_id) == nowhere.without(other)
    second.send("DELETE", f"/task-schedules/{own['task_schedule_id']}/")


def test_lists_have_nothing_of_another_project(
    document: dict[str, Any], first: Client, second: Client, things: Things
) -> None:
    lists = [path for method, path, _ in operations(document) if method == "GET" and "{" not in path]
    seen = 0
    for path in set(lists) - {"/operations/", "/health/live", "/health/ready"}:
        theirs = first.send("GET", path).body
        seen += bool(theirs.get("results"))
        found = json.dumps(second.send("GET", path).body)
        ids = {one for row in theirs.get("results", []) for one in row.values() if _is_id(one)}
        assert [one for one in ids | {things.name} if one in found] == []
    assert seen >= 3
    queries = (f"task_schedule={things.schedule_id}", "status=SCHEDULED", "operation=4%2B7")
    assert [second.send("GET", f"/tasks/?{query}").body["results"] for query in queries] == [[], [], []]
    assert second.send("GET", "/forecast/?hours=168").body["total"] == 0
    assert first.send("GET", "/forecast/?hours=168").body["total"] > 0


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value))


def test_names_and_keys_of_another_project_are_free(first: Client, second: Client, things: Things) -> None:
    assert second.send("POST", "/calendars/", {"name": things.name}).status == 201
    assert second.send("DELETE", f"/calendars/{things.name}/").status == 204
    schedule = {"operation": "4+7", "every_x_days": 1, "calendars": [things.name]}
    unknown = second.send("POST", "/task-schedules/", schedule)
    assert (unknown.status, unknown.body["errors"][0]["code"]) == (400, "unknown_calendar")
    task = {"operation": "4+7", "run_at": LATER, "unique_key": things.name}
    repeated = {"Idempotency-Key": things.name}
    assert first.send("POST", "/tasks/", task, **repeated).status == 200
    new = second.send("POST", "/tasks/", task, **repeated)
    assert (new.status, new.headers.get("idempotent-replayed")) == (202, None)
    assert second.send("DELETE", f"/tasks/{new.body['task_id']}/").status == 204


def check(document: dict[str, Any], operation: dict[str, Any], answer: Answer) -> None:
    """The answer stands in the document, and is a problem."""
    assert str(answer.status) in operation["responses"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    schema = {"$ref": "#/definitions/Problem", "definitions": document["definitions"]}
    assert [fault.message for fault in Draft4Validator(schema).iter_errors(answer.body)] == []


def guarded(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    found = [one for one in operations(document) if one[2].get("security") != []]
    assert len(found) > 30
    return found


def test_a_key_that_opens_nothing_is_refused_at_every_address(
    run: Run, document: dict[str, Any], things: Things
) -> None:
    shown = {reason: bearer(key) for reason, key in run.keys.refused.items()} | {"no key": {}}
    answers = set()
    for reason, headers in shown.items():
        client = Client(run.service.options.port, headers)
        for method, path, operation in guarded(document):
            answer = client.send(method, path.format(**vars(things)), None if method == "GET" else {})
            assert (reason, method, path, answer.status) == (reason, method, path, 401)
            check(document, operation, answer)
            answers.add((reason == "no key", json.dumps(answer.body)))
    assert len(answers) == 2


def test_a_missing_scope_is_refused_at_every_address_that_wants_it(
    run: Run, document: dict[str, Any], things: Things
) -> None:
    refused = set()
    for scope, key in run.keys.without.items():
        client = Client(run.service.options.port, bearer(key))
        for method, path, operation in guarded(document):
            # Nothing is deleted or made: what is allowed is not found, or wrong.
            answer = client.send(
                method, re.sub(r"{\w+}", str(uuid4()), path), None if method == "GET" else [7]
            )
            if answer.status == 403:
                check(document, operation, answer)
                assert re.search(rf"the scope ({scope}|admin),", answer.body["detail"])
                refused.add((method, path))
    assert refused == {(method, path) for method, path, _ in guarded(document)}
