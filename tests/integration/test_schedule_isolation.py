"""Nobody learns of another project's schedules or changes them: each address with ids and names of another project."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.http import HttpResponse

from scheduler_service.json import dumps
from schedules_app import store
from schedules_app.records import NewCalendar
from tasks_app.ids import new_id
from tests.integration.http import client_of, get, problem
from tests.integration.schedule_http import clock  # noqa: F401
from tests.integration.schedules import HOUR, MINUTE, NOON, create, rows

pytestmark = pytest.mark.django_db

MINE, THEIRS, EMPTY = 7, 8, 9
PREFIXES = ("/task-schedules/", "/calendars/", "/forecast/")
_ONE = "/task-schedules/{schedule_id}/"
_BACKFILL = f"{_ONE}backfills/{{backfill_id}}/"
AT = {name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in (("noon", NOON), ("three", NOON + 3 * HOUR))}
NEW = {"operation": "4+7", "every_x_hours": 1}
RANGE = {"from": AT["noon"], "to": AT["noon"]}

# What each address is sent: it would work with an id and a name of one's own.
CALLS: dict[str, list[Any]] = {
    "GET /task-schedules/": [None],
    "POST /task-schedules/": [{**NEW, "calendars": ["{name}"]}],
    "POST /task-schedules/preview/": [{**NEW, "calendars": ["{name}"]}],
    f"GET {_ONE}": [None],
    f"PATCH {_ONE}": [{"priority": 1}, {"calendars": ["{name}"]}, {"priority": 99}, {"nothing": 1}, {}],
    f"DELETE {_ONE}": [None],
    f"POST {_ONE}pause/": [None, {"note": "x"}, {"until": AT["three"]}],
    f"POST {_ONE}resume/": [None, {"catch_up": True}],
    f"POST {_ONE}trigger/": [None, {"obey_overlap": True}, {"arguments": {}}, {"arguments": {"z": 1}}],
    f"POST {_ONE}skip-next/": [None],
    f"POST {_ONE}move/": [{"occurs_at": "2030-01-01T14:00:00Z", "to": "2030-01-01T14:30:00Z"}, {"to": 1}],
    f"POST {_ONE}restore/": [{"occurs_at": AT["three"]}, {}],
    f"GET {_ONE}preview/": [None],
    f"GET {_ONE}tasks/": [None],
    f"GET {_ONE}occurrences/": [None],
    f"GET {_ONE}backfills/": [None],
    f"POST {_ONE}backfills/": [RANGE, {**RANGE, "dry_run": True}, {"to": AT["noon"]}],
    f"GET {_BACKFILL}": [None],
    f"POST {_BACKFILL}cancel/": [None],
    "GET /calendars/": [None],
    "POST /calendars/": [],  # see test_a_name_that_another_project_has_can_be_taken
    "GET /calendars/{name}/": [None],
    "PATCH /calendars/{name}/": [{"dates": ["2030-01-01"]}, {"dates": ["x"]}],
    "DELETE /calendars/{name}/": [None],
    "GET /forecast/": [None],
}
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"HTTP_IF_MATCH": '"1"'},
    {"HTTP_IF_NONE_MATCH": "*"},
    {"HTTP_IDEMPOTENCY_KEY": "k"},
)


class Owned(NamedTuple):
    """What an address names."""

    schedule_id: str
    backfill_id: str
    name: str


def _strangers() -> Owned:
    return Owned(str(new_id()), str(new_id()), f"stranger-{new_id()}")


def _made(project_id: int) -> Owned:
    """A schedule on which each call finds something to do, and a calendar of its project."""
    name = f"holidays-{project_id}"
    store.create_calendar(NewCalendar(name=name, project_id=project_id), NOON)
    key, *_ = create(2, project_id=project_id, calendars=[name], name=f"of {project_id}")
    store.fire_due(NOON)
    store.move(key, NOON + 3 * HOUR, NOON + 3 * HOUR + MINUTE, NOON)
    backfill = store.backfill(key, NOON, NOON, 5, NOON)
    assert backfill is not None
    return Owned(str(key), str(backfill.pk), name)


@pytest.fixture
def owned() -> dict[int, Owned]:
    return {project_id: _made(project_id) for project_id in (1, MINE, THEIRS)}


def _filled(value: Any, names: Owned) -> Any:
    if isinstance(value, str):
        for field, text in names._asdict().items():
            value = value.replace("{" + field + "}", text)
        return value
    if isinstance(value, dict):
        return {key: _filled(item, names) for key, item in value.items()}
    return [_filled(item, names) for item in value] if isinstance(value, list) else value


def _sent(project_id: int, call: str, body: Any, names: Owned, headers: dict[str, str]) -> HttpResponse:
    method, path = _filled(call, names).split()
    return client_of(project_id).generic(
        method,
        path,
        *_encoded(_filled(body, names)),
        **headers,  # type: ignore[arg-type]
    )


def _encoded(body: Any) -> tuple[bytes, str]:
    return (b"", "application/json") if body is None else (dumps(body).encode(), "application/json")


def _shape(response: HttpResponse, names: Owned) -> tuple[Any, ...]:
    """All that an answer says, but for the ids and names that its request named."""
    text = response.content.decode()
    for field, value in names._asdict().items():
        text = text.replace(value, "{" + field + "}")
    told = {
        name: response.headers.get(name)
        for name in ("Content-Type", "Location", "ETag", "Retry-After", "Allow")
    }
    return response.status_code, text, told


def _naming() -> Iterator[tuple[str, Any]]:
    """The calls that name something."""
    return ((call, body) for call, bodies in CALLS.items() for body in bodies if "{" in f"{call} {body}")


def test_the_sweep_knows_every_documented_address() -> None:
    paths = get("/swagger.json").json()["paths"]
    verbs = ("get", "post", "put", "patch", "delete")
    documented = {
        f"{verb.upper()} {path}"
        for path, item in paths.items()
        if path.startswith(PREFIXES)
        for verb in verbs
        if verb in item
    }
    assert set(CALLS) == documented


@pytest.mark.parametrize(("intruder", "owner"), [(THEIRS, MINE), (MINE, THEIRS), (1, MINE), (MINE, 1)])
def test_what_another_project_has_is_answered_as_what_nobody_has(
    owned: dict[int, Owned], intruder: int, owner: int
) -> None:
    before, told = rows(), []
    for call, body in _naming():
        for headers in HEADERS:
            theirs, unknown = owned[owner], _strangers()
            answers = [
                _shape(_sent(intruder, call, body, names, headers), names) for names in (theirs, unknown)
            ]
            if answers[0] != answers[1] or answers[0][0] not in (400, 404, 412):
                told.append((call, body, headers, answers))
    assert told == []
    assert rows() == before


def test_each_call_of_the_sweep_finds_what_its_owner_has(owned: dict[int, Owned]) -> None:
    """Else the sweep would say nothing."""
    found = set()
    for call, body in _naming():
        with transaction.atomic():
            answer = _sent(MINE, call, body, owned[MINE], {})
            transaction.set_rollback(True)
        # The calendar is in use.
        if answer.status_code in (200, 201, 202, 204) or answer.json()["code"] == "calendar_in_use":
            found.add(call)
    assert found == {call for call, _ in _naming()}


def test_a_backfill_of_another_project_is_not_found_below_an_own_schedule(owned: dict[int, Owned]) -> None:
    before = rows()
    for call in (f"GET {_BACKFILL}", f"POST {_BACKFILL}cancel/"):
        mixed = owned[MINE]._replace(backfill_id=owned[THEIRS].backfill_id)
        unknown = owned[MINE]._replace(backfill_id=str(new_id()))
        answers = [_shape(_sent(MINE, call, None, names, {}), names) for names in (mixed, unknown)]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    assert rows() == before


@pytest.mark.usefixtures("owned")
@pytest.mark.parametrize(
    "query",
    [
        "ordering=created_at",
        "ordering=next_run_at",
        "ordering=-next_run_at",
        "status=ACTIVE",
        "status=ACTIVE,PAUSED,FINISHED&operation=4%2B7",
        "queue=tasks",
        "alert=true",
        "alert=failing",
        "page_size=1",
    ],
)
def test_the_list_of_an_empty_project_is_empty(query: str) -> None:
    page = client_of(EMPTY).get(f"/task-schedules/?{query}").json()
    assert page == {"next": None, "previous": None, "results": []}


@pytest.mark.parametrize("path", ["/task-schedules/", "/task-schedules/?ordering=next_run_at", "/calendars/"])
@pytest.mark.parametrize("project_id", [1, MINE, THEIRS])
def test_a_list_has_what_its_project_has_on_all_its_pages(
    owned: dict[int, Owned], path: str, project_id: int
) -> None:
    own, seen, there = client_of(project_id), [], f"{path}{'&' if '?' in path else '?'}page_size=1"
    while there:
        page = own.get(there).json()
        seen += page["results"]
        there = page["next"]
    if path == "/calendars/":
        assert [one["name"] for one in seen] == [owned[project_id].name]
    else:
        assert [one["name"] for one in seen] == [f"of {project_id}"] * 2


@pytest.mark.parametrize("ordering", ["-created_at", "next_run_at"])
def test_the_cursor_of_another_project_is_refused(owned: dict[int, Owned], ordering: str) -> None:
    there = client_of(MINE).get(f"/task-schedules/?ordering={ordering}&page_size=1").json()["next"]
    answer = client_of(EMPTY).get(there)
    assert problem(answer, 400)["errors"][0]["parameter"] == "cursor"
    assert owned[MINE].schedule_id not in answer.content.decode()


def test_a_forecast_counts_the_tasks_of_its_project(owned: dict[int, Owned]) -> None:
    totals = {one: client_of(one).get("/forecast/?hours=2").json()["total"] for one in (*owned, EMPTY)}
    assert totals == {1: 2, MINE: 2, THEIRS: 2, EMPTY: 0}


def test_a_name_that_another_project_has_can_be_taken(owned: dict[int, Owned]) -> None:
    own, name = client_of(THEIRS), owned[MINE].name
    made = own.post("/calendars/", {"name": name, "dates": ["2030-01-02"]}, format="json")
    assert made.status_code == 201
    assert own.post("/task-schedules/", {**NEW, "calendars": [name]}, format="json").status_code == 201
    assert client_of(MINE).get(f"/calendars/{name}/").json()["dates"] == []
    assert own.delete(f"/calendars/{name}/").json()["code"] == "calendar_in_use"


def test_a_schedule_is_created_in_the_project_of_its_request() -> None:
    made = client_of(MINE).post("/task-schedules/", NEW, format="json")
    assert made.status_code == 201
    assert (
        client_of(MINE).get(made.headers["Location"]).json()["task_schedule_id"] in made.headers["Location"]
    )
    assert client_of(THEIRS).get(made.headers["Location"]).status_code == 404
    assert get(made.headers["Location"]).status_code == 404


def test_an_idempotency_key_of_another_project_is_another_key() -> None:
    def send(project_id: int) -> HttpResponse:
        return client_of(project_id).post("/task-schedules/", NEW, format="json", HTTP_IDEMPOTENCY_KEY="k")

    first, again, other = send(MINE), send(MINE), send(THEIRS)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in other.headers
    assert len({first.content, again.content, other.content}) == 2
    assert client_of(THEIRS).get(other.headers["Location"]).status_code == 200
