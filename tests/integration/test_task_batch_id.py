"""`batch_id`: what came in one request is found by it, and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from uuid import UUID, uuid4

import pytest
from django.db import connection

from tasks_app import alike, batches, pagination, store
from tasks_app.batch_ids import new_batch_id, range_of
from tasks_app.ids import first_id, new_id
from tasks_app.models import Task
from tests.integration.helpers import NOON, claim, create, ending, new_task
from tests.integration.http import MISSING_ID, client, client_of, faults, get, post, problem

pytestmark = pytest.mark.django_db

PATH = "/tasks/batch-request/"
GOOD = {"operation": "4+7"}
KINDS = {
    "of one shape": ([GOOD] * 5, True),
    "item by item": ([GOOD, {**GOOD, "priority": 1}, {**GOOD, "unique_key": "a"}], False),
    "of one task": ([{**GOOD, "unique_key": "a"}], False),
}
each_kind = pytest.mark.parametrize(("items", "is_alike"), KINDS.values(), ids=KINDS)


def batch(items, query="", sender=client, **headers):
    response = sender.post(f"{PATH}{query}", items, format="json", headers=headers)
    assert response.status_code == 202, response.content
    return response.json()


def listed(batch_id, sender=client, **parameters):
    response = sender.get("/tasks/", {"batch_id": str(batch_id), "page_size": 1000, **parameters})
    assert response.status_code == 200, response.content
    assert response.json()["next"] is None
    return [task["task_id"] for task in response.json()["results"]]


def ids_of(answer):
    return [task["task_id"] for task in answer["tasks"]]


@each_kind
@pytest.mark.parametrize("query", ["", "?atomic=true"])
def test_a_batch_finds_exactly_its_tasks_and_each_of_them_shows_it(items, is_alike, query):
    assert (alike.read(items) is not None) == is_alike
    create(new_task(), now=None)
    answer = batch(items, query)
    batch([GOOD] * 3)
    post("/tasks/", GOOD)
    assert {task["batch_id"] for task in answer["tasks"]} == {answer["batch_id"]}
    assert listed(answer["batch_id"]) == ids_of(answer)[::-1]
    assert get(f"/tasks/{answer['tasks'][0]['task_id']}/").json()["batch_id"] == answer["batch_id"]


def test_wrong_items_are_not_of_the_batch():
    answer = batch([GOOD, {"operation": "nope"}, {**GOOD, "priority": 2}])
    assert len(answer["errors"]) == 1
    assert listed(answer["batch_id"], ordering="created_at") == ids_of(answer)
    assert len(ids_of(answer)) == 2


def test_a_single_task_is_of_no_batch():
    assert post("/tasks/", GOOD).json()["batch_id"] is None


def test_a_task_that_stood_there_already_keeps_its_own_batch_or_none():
    alone = post("/tasks/", {**GOOD, "unique_key": "alone"}).json()
    first = batch([{**GOOD, "unique_key": "first"}, GOOD])
    second = batch([{**GOOD, "unique_key": key} for key in ("alone", "first", "second")])
    shown = [task["batch_id"] for task in second["tasks"]]
    assert shown == [None, first["batch_id"], second["batch_id"]]
    assert listed(second["batch_id"]) == ids_of(second)[2:]
    assert alone["task_id"] in ids_of(second)


def test_a_batch_of_which_all_tasks_stood_there_already_finds_none():
    batch([{**GOOD, "unique_key": "k"}, GOOD])
    answer = batch([{**GOOD, "unique_key": "k"}])
    assert listed(answer["batch_id"]) == []


@each_kind
def test_a_repeated_request_tells_the_same_batch(items, is_alike):
    first, again = (batch(items, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first == again
    assert listed(first["batch_id"]) == ids_of(first)[::-1]


def test_a_repeated_task_is_not_of_the_batch():
    answer = batch([GOOD, GOOD])
    store.finish([ending(item) for item in claim(now=None)])
    repeated = post(f"/tasks/{ids_of(answer)[0]}/retry/").json()
    assert repeated["batch_id"] is None
    assert listed(answer["batch_id"]) == ids_of(answer)[::-1]


def test_a_batch_is_filtered_and_ordered_as_any_list():
    answer = batch([{**GOOD, "priority": priority, "queue": f"q{priority}"} for priority in (3, 1, 2)])
    three, one, two = ids_of(answer)
    assert listed(answer["batch_id"], ordering="priority") == [one, two, three]
    assert listed(answer["batch_id"], priority_min=2) == [two, three]
    assert listed(answer["batch_id"], queue="q1") == [one]
    assert listed(answer["batch_id"], status="PENDING") == [two, one, three]
    assert listed(answer["batch_id"], status="SUCCESS") == []


def test_a_batch_is_read_in_pages():
    answer = batch([GOOD] * 7)
    path, found = f"/tasks/?batch_id={answer['batch_id']}&page_size=3", []
    while path:
        page = client.get(path).json()
        found.append([task["task_id"] for task in page["results"]])
        path = page["next"]
    assert list(chain(*found)) == ids_of(answer)[::-1]
    assert [len(part) for part in found] == [3, 3, 1]


@pytest.mark.parametrize("items", [[GOOD] * 3, [GOOD, {**GOOD, "priority": 1}]], ids=["alike", "each"])
def test_batches_of_the_same_millisecond_are_told_apart(items, monkeypatch):
    """As several processes make them: the ids of one lie among those of the others."""
    milliseconds, rest = first_id(NOON).int, iter(range(1, 1000))
    made = [UUID(int=milliseconds | 7 << 76 | number) for number in rest]
    turns = [iter(made[turn::3]) for turn in range(3)]
    answers = []
    for turn in turns:
        monkeypatch.setattr(batches, "new_id", lambda turn=turn: next(turn))
        monkeypatch.setattr(alike, "new_ids", lambda size, turn=turn: [str(next(turn)) for _ in range(size)])
        answers.append(batch(items))
    monkeypatch.undo()
    assert len({range_of(UUID(answer["batch_id"])) for answer in answers}) == 1
    for answer in answers:
        assert listed(answer["batch_id"]) == ids_of(answer)[::-1]


@pytest.mark.django_db(transaction=True)
def test_batches_that_are_sent_at_once_find_their_own_tasks():
    def send(number):
        try:
            return batch([{**GOOD, "tags": [f"of-{number}"]}] * 20)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(8)))
    for number, answer in enumerate(answers):
        assert listed(answer["batch_id"]) == ids_of(answer)[::-1]
        assert {tuple(task["tags"]) for task in answer["tasks"]} == {(f"of-{number}",)}


def test_a_batch_that_took_too_long_to_be_said_is_found_all_the_same(monkeypatch):
    late = [UUID(int=first_id(NOON).int + (second * 1000 << 80) | 7 << 76) for second in range(9)]
    turn = iter(late)
    monkeypatch.setattr(batches, "new_id", lambda: next(turn))
    answer = batch([GOOD, {**GOOD, "priority": 1}] * 3)
    assert listed(answer["batch_id"]) == ids_of(answer)[::-1]


@pytest.mark.parametrize(
    "forged",
    [MISSING_ID, uuid4(), UUID(int=0), UUID(int=2**128 - 1), new_batch_id(new_id(), new_id())],
    ids=["none", "random", "zero", "last", "likely"],
)
def test_an_id_of_no_batch_finds_nothing(forged):
    batch([GOOD] * 2)
    assert listed(forged) == []


def test_the_id_of_a_task_is_no_batch():
    answer = batch([GOOD] * 2)
    assert listed(ids_of(answer)[0]) == []


def test_another_projects_batch_finds_nothing():
    own, other = batch([GOOD], sender=client_of(7)), batch([GOOD] * 2)
    assert listed(own["batch_id"]) == listed(other["batch_id"], client_of(7)) == []
    assert listed(own["batch_id"], client_of(7)) == ids_of(own)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("batch_id=nope", "invalid"),
        ("batch_id=", "blank"),
        (f"batch_id={MISSING_ID}&batch_id={MISSING_ID}", "repeated"),
    ],
)
def test_a_wrong_batch_is_refused(query, code):
    assert faults(client.get(f"/tasks/?{query}")) == {("batch_id", code)}


def test_what_a_batch_is_cannot_be_said_by_a_request():
    assert faults(post("/tasks/", {**GOOD, "batch_id": MISSING_ID})) == {("#/batch_id", "read_only")}
    problem(post(PATH, [{**GOOD, "batch_id": MISSING_ID}]), 400)
    assert not Task.objects.exists()


def test_a_batch_far_back_is_read_by_its_range_of_ids(monkeypatch):
    """Where the range were not read, the stretch would end before it."""
    monkeypatch.setattr(pagination, "STRETCHES", (2, 3))
    early = [first_id(NOON).int | 7 << 76 | number for number in range(1, 4)]
    turn = iter(map(UUID, [None] * 3, [None] * 3, [None] * 3, [None] * 3, early))
    monkeypatch.setattr(batches, "new_id", lambda: next(turn))
    answer = batch([GOOD, {**GOOD, "priority": 1}])
    monkeypatch.undo()
    monkeypatch.setattr(pagination, "STRETCHES", (2, 3))
    create(*(new_task(task_id=first_id(NOON.replace(hour=13 + number))) for number in range(9)))
    assert listed(answer["batch_id"]) == ids_of(answer)[::-1]
