"""GET /tasks/: filters, orderings, pages."""

import uuid
from itertools import chain
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.core import signing
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks_app import page_planning, pagination, store
from tasks_app.ids import first_id
from tasks_app.lifecycle import Status
from tests.integration.helpers import NOON, at, claim, create, ending, new_task
from tests.integration.http import client, faults, get, problem

pytestmark = pytest.mark.django_db


def ids(response):
    assert response.status_code == 200, response.content
    return [uuid.UUID(task["task_id"]) for task in response.json()["results"]]


def listed(**parameters):
    return ids(get("/tasks/", **parameters))


def pages(path, link="next"):
    """The ids of each page, following `link` from `path` to its end."""
    found = []
    while path:
        response = client.get(path)
        found.append(ids(response))
        path = response.json()[link]
    return found


def test_an_empty_list_is_one_empty_page():
    assert get("/tasks/").json() == {"next": None, "previous": None, "results": []}


def test_tasks_are_listed_newest_first():
    created = create(*(new_task() for _ in range(5)))
    assert listed() == created[::-1]


def test_nothing_is_counted_and_one_query_reads_a_page():
    create(*(new_task() for _ in range(5)))
    with CaptureQueriesContext(connection) as queries:
        get("/tasks/", page_size=2)
    assert len(queries) == 1
    assert "COUNT(" not in queries[0]["sql"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("ordering", ["created_at", "-created_at", "priority", "run_at", "-run_at"])
def test_pages_hold_every_row_once_in_order_also_among_equals(size, ordering):
    new = [new_task(priority=priority, run_at=at(priority)) for priority in (1, 5, 5, 5, 0, 5, 9)]
    create(*new)
    whole = listed(ordering=ordering)
    assert len(whole) == 7
    forward = pages(f"/tasks/?ordering={ordering}&page_size={size}")
    assert list(chain.from_iterable(forward)) == whole
    assert all(len(page) == size for page in forward[:-1])


def test_pages_lead_back_the_way_they_came():
    create(*(new_task(priority=number % 2) for number in range(7)))
    first = get("/tasks/", ordering="priority", page_size=2)
    forward = pages("/tasks/?ordering=priority&page_size=2")
    last = first
    while last.json()["next"]:
        last = client.get(last.json()["next"])
    backward = pages(last.json()["previous"], "previous")
    assert backward == forward[:-1][::-1]


def test_a_page_is_not_shifted_by_rows_that_come_and_go():
    (_, second, third, fourth) = create(*(new_task() for _ in range(4)))
    page = get("/tasks/", page_size=2)
    assert ids(page) == [fourth, third]
    create()
    store.delete(third)
    assert ids(client.get(page.json()["next"]))[0] == second


def test_a_page_whose_rows_are_gone_leads_back_to_the_start():
    (first, second) = create(new_task(), new_task())
    beyond = get("/tasks/", page_size=1).json()["next"]
    store.delete(first)
    response = client.get(beyond)
    assert ids(response) == []
    assert ids(client.get(response.json()["previous"])) == [second]


def test_links_keep_the_filters():
    create(*(new_task(queue="a") for _ in range(3)), new_task(queue="b"))
    link = get("/tasks/", queue="a", page_size=2).json()["next"]
    assert parse_qs(urlsplit(link).query)["queue"] == ["a"]
    assert len(ids(client.get(link))) == 1


def test_an_ordering_by_the_end_lists_finished_tasks_only():
    create(new_task(), new_task(), new_task())
    claims = claim(limit=2)
    store.finish([ending(claims[0])], at(5))
    store.finish([ending(claims[1])], at(4))
    assert listed(ordering="finished_at") == [claims[1].task_id, claims[0].task_id]
    assert listed(ordering="-finished_at") == [claims[0].task_id, claims[1].task_id]


def test_filters_choose_by_equality():
    (a, b) = create(new_task("4+7", queue="a", priority=1), new_task("4+8", queue="b", priority=7))
    assert listed(queue="a") == [a]
    assert listed(operation="4+8") == [b]
    assert listed(priority=7) == [b]
    assert listed(priority_min=2) == [b]
    assert listed(priority_max=1) == [a]
    assert listed(queue="a", priority=7) == []


def test_statuses_are_repeated_or_set_between_commas():
    (pending, later) = create(new_task(queue="x"), new_task(run_at=at(60)))
    (started,) = create()
    claim()
    assert listed(status="PENDING") == [pending]
    assert listed(status="PENDING,STARTED") == [started, pending]
    assert ids(client.get("/tasks/?status=SCHEDULED&status=STARTED")) == [started, later]


def test_a_tag_finds_tasks_that_have_exactly_it():
    (a, b, _) = create(new_task(tags=["red", 'a"b']), new_task(tags=["redder", "red"]), new_task(tags=["re"]))
    assert listed(tag="red") == [b, a]
    assert listed(tag='a"b') == [a]
    assert listed(tag='b"') == []


def test_a_schedules_tasks_are_found():
    schedule = uuid.uuid4()
    (own, _) = create(new_task(task_schedule=schedule), new_task())
    assert listed(task_schedule=str(schedule)) == [own]


def test_ranges_hold_their_start_and_not_their_end():
    (early,) = create(new_task(task_id=first_id(at(0))), now=at(0))
    (late,) = create(new_task(task_id=first_id(at(10))), now=at(10))
    assert listed(created_after=at(10).isoformat()) == [late]
    assert listed(created_before=at(10).isoformat()) == [early]
    claims = claim(limit=2, now=at(20))
    store.finish([ending(claims[0])], at(30))
    assert listed(finished_after=at(30).isoformat()) == [early]
    assert listed(finished_before=at(30).isoformat()) == []


def test_an_offset_whose_plus_was_not_escaped_is_understood():
    (task_id,) = create(new_task(task_id=first_id(NOON)), now=NOON)
    assert ids(client.get("/tasks/?created_after=2030-01-01T14:00:00+02:00")) == [task_id]


@pytest.fixture
def _short_stretches(monkeypatch):
    monkeypatch.setattr(pagination, "STRETCHES", (2, 3))


@pytest.mark.usefixtures("_short_stretches")
@pytest.mark.parametrize("ordering", ["created_at", "-created_at"])
@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_page_of_a_rare_kind_looks_at_a_stretch_and_next_goes_on_behind_it(ordering, size):
    kinds = "........#.......##.....#"
    created = create(*(new_task(queue="rare" if kind == "#" else "tasks") for kind in kinds))
    rare = [task_id for task_id, kind in zip(created, kinds, strict=True) if kind == "#"]
    found = pages(f"/tasks/?queue=rare&page_size={size}&ordering={ordering}")
    assert list(chain(*found)) == (rare if ordering == "created_at" else rare[::-1])
    assert [] in found


@pytest.mark.usefixtures("_short_stretches")
def test_pages_of_a_rare_kind_lead_back_over_empty_ones():
    kinds = ".#......#.......##.....#."
    created = create(*(new_task(queue="rare" if kind == "#" else "tasks") for kind in kinds))
    rare = [task_id for task_id, kind in zip(created, kinds, strict=True) if kind == "#"]
    path = "/tasks/?queue=rare&page_size=2"
    while (following := client.get(path).json()["next"]) is not None:
        path = following
    assert list(chain(*pages(path, "previous")[::-1])) == rare[::-1]


@pytest.mark.usefixtures("_short_stretches")
@pytest.mark.parametrize(
    "query", ["status=PENDING", "status=PENDING,STARTED", "created_after=2000-01-01T00:00:00Z"]
)
def test_what_an_index_knows_is_found_behind_any_number_of_others(query):
    (old,) = create(new_task(priority=0), now=None)
    newer = create(*(new_task(priority=9) for _ in range(9)), now=None)
    if "status" in query:
        store.cancel(newer)
        assert ids(client.get(f"/tasks/?{query}")) == [old]
    else:
        assert len(ids(client.get(f"/tasks/?{query}"))) == 10


def test_finished_tasks_of_all_kinds_are_in_the_order_of_their_ends_on_pages_of_any_size():
    created = create(*(new_task() for _ in range(9)))
    claims = claim(limit=6)
    for second, item in enumerate(claims):
        kind = {"status": Status.ERROR} if second % 2 else {}
        store.finish([ending(item, **kind)], at(10 + second // 2))
    store.cancel([task_id for task_id in created if task_id not in {item.task_id for item in claims}], at(11))
    whole = listed(ordering="finished_at")
    assert len(whole) == 9
    for size in (1, 2, 4):
        assert list(chain(*pages(f"/tasks/?ordering=finished_at&page_size={size}"))) == whole
        assert list(chain(*pages(f"/tasks/?ordering=-finished_at&page_size={size}"))) == whole[::-1]
    errors = listed(ordering="finished_at", status="ERROR,PENDING")
    assert errors == [item.task_id for item in claims[1::2]]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no time limit")
def test_an_order_that_takes_too_long_is_refused(monkeypatch):
    create()

    def slow(execute, statement, parameters, many, context):
        if statement.startswith("SELECT") and "tasks_task" in statement:
            statement = "SELECT pg_sleep(30)"
        return execute(statement, None if "pg_sleep" in statement else parameters, many, context)

    with connection.execute_wrapper(slow), monkeypatch.context() as patch:
        patch.setattr(page_planning, "MOST_MILLISECONDS", 1)
        assert faults(get("/tasks/", ordering="run_at")) == {("ordering", "too_broad")}
    assert len(listed(ordering="run_at")) == 1


@pytest.mark.parametrize(
    ("parameter", "value", "code"),
    [
        ("colour", "red", "unknown_parameter"),
        ("format", "json", "unknown_parameter"),
        ("status", "DONE", "invalid_choice"),
        ("status", "PENDING,", "invalid_choice"),
        ("status", "", "blank"),
        ("queue", "", "blank"),
        ("queue", "\f", "blank"),
        ("queue", "a\0b", "null_characters_not_allowed"),
        ("queue", "q" * 65, "max_length"),
        ("operation", "\0", "null_characters_not_allowed"),
        ("operation", "x" * 201, "max_length"),
        ("tag", "\0", "null_characters_not_allowed"),
        ("priority", "10", "max_value"),
        ("priority", "-1", "min_value"),
        ("priority", "high", "invalid"),
        ("priority", "1e999", "invalid"),
        ("priority_min", "9" * 40, "max_value"),
        ("priority_max", "NaN", "invalid"),
        ("task_schedule", "nope", "invalid"),
        ("created_after", "yesterday", "invalid"),
        ("created_before", "2030-01-01T00:00:00", "offset_required"),
        ("finished_after", "9999-12-31T23:59:59Z", "out_of_range"),
        ("finished_before", "\0", "invalid"),
        ("ordering", "worker", "invalid"),
        ("ordering", "-priority,run_at", "invalid"),
        ("page_size", "0", "invalid"),
        ("page_size", "1001", "invalid"),
        ("page_size", "-1", "invalid"),
        ("page_size", "ten", "invalid"),
        ("page_size", "９", "invalid"),
        ("cursor", "nonsense", "invalid"),
        ("cursor", "\0", "invalid"),
        ("cursor", "ä:b:c", "invalid"),
        ("cursor", "::", "invalid"),
        ("cursor", "", "blank"),
    ],
)
def test_a_wrong_parameter_is_refused(parameter, value, code):
    assert faults(get("/tasks/", **{parameter: value})) == {(parameter, code)}


def test_a_parameter_given_twice_is_refused():
    assert faults(client.get("/tasks/?queue=a&queue=b")) == {("queue", "repeated")}


def test_more_parameters_than_django_reads_are_refused():
    problem(client.get("/tasks/?" + "&".join(f"p{number}=1" for number in range(1001))), 400)


def test_a_cursor_holds_for_its_own_ordering_only():
    create(new_task(), new_task())
    cursor = parse_qs(urlsplit(get("/tasks/", page_size=1).json()["next"]).query)["cursor"][0]
    assert faults(get("/tasks/", cursor=cursor, ordering="priority")) == {("cursor", "invalid")}


def test_a_cursor_that_was_changed_is_refused():
    create(new_task(), new_task())
    cursor = parse_qs(urlsplit(get("/tasks/", page_size=1).json()["next"]).query)["cursor"][0]
    forged = signing.dumps([False, None, "' OR 1=1"]).split(":")[0] + cursor[cursor.index(":") :]
    assert faults(client.get(f"/tasks/?cursor={quote(forged)}")) == {("cursor", "invalid")}
