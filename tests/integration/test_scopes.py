"""What each scope opens: every documented address says which it needs."""

import re

import pytest

from access_app.permissions import HasScope, InsufficientScope, scope_for
from access_app.principals import DEFAULT_PROJECT, ONLY_ADMIN, Principal, Scope
from scheduler_service import urls
from tests.integration.access import caller, with_key
from tests.integration.http import MISSING_ID, get, problem
from tests.unit.test_documentation import endpoints

pytestmark = pytest.mark.django_db

OPEN = {"/health/live", "/health/ready"}
READ, WRITE = Scope.TASKS_READ, Scope.TASKS_WRITE
SEE, PLAN = Scope.SCHEDULES_READ, Scope.SCHEDULES_WRITE
ONE = "/task-schedules/{schedule_id}/"

EXPECTED = {
    "GET /tasks/": READ,
    "POST /tasks/": WRITE,
    "POST /tasks/batch-request/": WRITE,
    "GET /tasks/{task_id}/": READ,
    "DELETE /tasks/{task_id}/": WRITE,
    "POST /tasks/{task_id}/cancel/": WRITE,
    "POST /tasks/{task_id}/retry/": WRITE,
    "GET /tasks/{task_id}/callbacks/": READ,
    "GET /operations/": READ,
    "GET /task-schedules/": SEE,
    "POST /task-schedules/": PLAN,
    "POST /task-schedules/preview/": SEE,
    f"GET {ONE}": SEE,
    f"PATCH {ONE}": PLAN,
    f"DELETE {ONE}": PLAN,
    f"GET {ONE}preview/": SEE,
    **{
        f"POST {ONE}{action}/": PLAN
        for action in ("pause", "resume", "trigger", "skip-next", "move", "restore", "backfills")
    },
    f"GET {ONE}backfills/": SEE,
    f"GET {ONE}backfills/{{backfill_id}}/": SEE,
    f"POST {ONE}backfills/{{backfill_id}}/cancel/": PLAN,
    # They show results.
    f"GET {ONE}tasks/": READ,
    f"GET {ONE}occurrences/": SEE,
    "GET /calendars/": SEE,
    "POST /calendars/": PLAN,
    "GET /calendars/{name}/": SEE,
    "PATCH /calendars/{name}/": PLAN,
    "DELETE /calendars/{name}/": PLAN,
    "GET /forecast/": SEE,
    "GET /audit/": Scope.ADMIN,
}
GUARDED = sorted(set(EXPECTED.items()))


def test_every_documented_address_is_in_the_table_or_open():
    listed = {f"{method} {path}" for method, path in endpoints(urls.documented) if path not in OPEN}
    assert listed == set(EXPECTED)


def test_the_document_names_the_scope_of_the_table():
    document = get("/swagger.json").json()
    told = {
        f"{method.upper()} {path}": operation["responses"]["403"]["examples"]["application/problem+json"][
            "detail"
        ]
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters" and path not in OPEN
    }
    assert {
        name: re.match(r"This needs the scope (\S+),", text)[1] for name, text in told.items()
    } == EXPECTED


def request(client, address):
    method, path = address.split()
    return client.generic(method, re.sub(r"\{\w+\}", MISSING_ID, path), b"", "application/json")


@pytest.mark.parametrize(("address", "needed"), GUARDED)
def test_a_key_with_every_other_scope_is_told_which_one_is_missing(address, needed):
    others = set(Scope) - {needed, Scope.ADMIN}
    response = request(with_key(*others), address)
    body = problem(response, 403)
    assert body["code"] == "insufficient_scope"
    assert needed.value in body["detail"]
    assert response.headers["WWW-Authenticate"] == (
        f'Bearer realm="scheduler", error="insufficient_scope", scope="{needed}"'
    )


@pytest.mark.parametrize(("address", "needed"), GUARDED)
def test_a_key_with_the_scope_alone_comes_through(address, needed):
    assert request(with_key(needed), address).status_code not in (401, 403)


@pytest.mark.parametrize(("address", "needed"), GUARDED)
def test_without_a_key_no_address_of_the_table_answers(address, needed, settings):
    settings.API_KEYS_REQUIRED = True
    problem(request(caller(), address), 401)


def test_admin_includes_the_others():
    client = with_key(Scope.ADMIN)
    assert [
        request(client, address).status_code
        for address in EXPECTED
        if request(client, address).status_code == 403
    ] == []


def test_a_schedule_is_made_and_triggered_without_the_scope_for_tasks():
    client = with_key(PLAN)
    made = client.post("/task-schedules/", {"operation": "1+1", "every_x_hours": 6}, format="json")
    assert made.status_code == 201
    path = f"/task-schedules/{made.json()['task_schedule_id']}/trigger/"
    assert client.post(path, {}, format="json").status_code == 201


def test_a_view_that_names_no_scope_is_for_admin_only(rf):
    class Forgotten:
        pass

    assert {scope_for(Forgotten(), method) for method in ("GET", "POST", "TRACE", None)} == {Scope.ADMIN}
    request = rf.get("/")
    request.auth = Principal(project_id=DEFAULT_PROJECT, scopes=frozenset(Scope) - {Scope.ADMIN})
    with pytest.raises(InsufficientScope):
        HasScope().has_permission(request, Forgotten())
    assert ONLY_ADMIN.read is ONLY_ADMIN.write is Scope.ADMIN


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_what_changes_nothing_needs_the_scope_to_read(method):
    assert with_key(READ).generic(method, "/tasks/").status_code == 200
    assert with_key(WRITE).generic(method, "/tasks/").status_code == 403
