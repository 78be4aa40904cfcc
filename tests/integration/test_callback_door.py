"""`callback_url` at the door: what requests for tasks, batches and schedules may say."""

from urllib.parse import quote

import pytest

from tasks_app import alike
from tasks_app.callbacks import fields
from tasks_app.models import Task
from tests.integration.callback_calls import URL, log_of, submitted
from tests.integration.http import client, faults, get, post

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/tasks/batch-request/"
OTHER = "https://other.example.com/"
REFUSED = [
    ("https://name:secret@hooks.example.com/", "invalid"),
    ("https://name@hooks.example.com/", "invalid"),
    ("ftp://hooks.example.com/", "invalid"),
    ("hooks.example.com", "invalid"),
    ("https://hooks.example.com/a b", "invalid"),
    ("https://hooks.example.com/#part", "invalid"),
    ("https://2130706433/", "invalid"),
    ("https://hooks.example.com:8080/", "http_refused"),
    ("http://127.0.0.1/", "http_refused"),
    ("http://169.254.169.254/latest/meta-data", "http_refused"),
    ("http://[::ffff:10.0.0.1]/", "http_refused"),
]
WRONG = [
    *REFUSED,
    ("https://hooks.example.com/" + "x" * 2048, "invalid"),
    ("", "blank"),
    (7, "invalid"),
    ([], "invalid"),
]


def test_a_task_is_stored_and_shown_with_its_callback():
    task_id = submitted(URL)
    assert get(f"/tasks/{task_id}/").json()["callback_url"] == URL
    assert get("/tasks/").json()["results"][0]["callback_url"] == URL
    assert post("/tasks/", {"operation": "4+7", "callback_url": None}).json()["callback_url"] is None


@pytest.mark.parametrize(("url", "code"), WRONG)
def test_a_url_that_http_request_would_not_take_is_refused_by_item(url, code):
    assert faults(post("/tasks/", {"operation": "4+7", "callback_url": url})) == {("#/callback_url", code)}
    items = [{"operation": "4+7", "callback_url": each} for each in (URL, url, URL)]
    body = post(PATH, items).json()
    assert [task["callback_url"] for task in body["tasks"]] == [URL, URL]
    [fault] = body["errors"]
    assert (fault["index"], [each["code"] for each in fault["errors"]]) == (1, [code])
    assert Task.objects.count() == 2


@pytest.mark.parametrize(("url", "code"), [*REFUSED, ("", "blank")])
def test_a_url_in_the_query_is_held_to_the_same(url, code):
    assert faults(post(f"{PATH}?callback_url={quote(url, safe='')}", [{"operation": "4+7"}])) == {
        ("callback_url", code)
    }
    assert not Task.objects.exists()


def test_what_the_settings_open_is_taken_and_what_they_close_again_is_not(configure):
    url = "http://127.0.0.1:8125/"
    configure(http_allowed_hosts=("127.0.0.1:8125",))
    submitted(url)
    configure(http_allowed_hosts=())
    assert faults(post("/tasks/", {"operation": "4+7", "callback_url": url})) == {
        ("#/callback_url", "http_refused")
    }


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([{}, {}], [URL, URL]),  # of one shape: kept by columns
        ([{"callback_url": None}] * 2, [URL, URL]),
        ([{"callback_url": OTHER}, {"callback_url": OTHER}], [OTHER, OTHER]),
        ([{"callback_url": OTHER}, {"callback_url": None}], [OTHER, URL]),
        ([{"callback_url": OTHER}, {}], [OTHER, URL]),  # of several shapes: item by item
        ([{"unique_key": "k"}, {"callback_url": OTHER, "priority": 1}], [URL, OTHER]),
    ],
)
def test_items_without_a_callback_of_their_own_have_that_of_the_batch(items, expected):
    response = post(
        f"{PATH}?callback_url={quote(URL, safe='')}", [{"operation": "4+7", **item} for item in items]
    )
    assert response.status_code == 202
    shown = response.json()["tasks"]
    assert [task["callback_url"] for task in shown] == expected
    stored = Task.objects.in_bulk([task["task_id"] for task in shown])
    assert sorted(task.callback_url for task in stored.values()) == sorted(expected)


def test_a_batch_of_one_shape_with_callbacks_is_kept_by_columns():
    items = [{"operation": "4+7", "callback_url": url} for url in (URL, OTHER, None)]
    kept = alike.read(items)
    assert kept is not None
    assert list(kept.column("callback_url")) == [URL, OTHER, None]


def test_the_url_of_a_large_batch_is_looked_at_once(monkeypatch):
    looked: list[str] = []
    check = fields.check
    monkeypatch.setattr(fields, "check", lambda url: (looked.append(url), check(url)))
    url = "https://once.example.com/"
    post(PATH, [{"operation": "4+7", "callback_url": url}] * 50)
    assert looked == [url]


@pytest.mark.parametrize("path", ["/tasks/", "/task-schedules/"])
def test_no_request_may_name_the_queue_of_callbacks(path):
    rest = {"every_x_days": 1} if path == "/task-schedules/" else {}
    assert faults(post(path, {"operation": "4+7", "queue": "callbacks", **rest})) == {("#/queue", "reserved")}


def test_tasks_of_a_schedule_have_its_callback_however_they_come_to_be():
    body = {"operation": "4+7", "every_x_hours": 1, "callback_url": URL, "overlap": "cancel_previous"}
    schedule = post("/task-schedules/", body).json()
    assert schedule["callback_url"] == URL
    path = f"/task-schedules/{schedule['task_schedule_id']}/"
    first = post(f"{path}trigger/").json()["task_id"]
    post(f"{path}trigger/", {"obey_overlap": True})
    assert {task.callback_url for task in Task.objects.all()} == {URL}
    assert [entry["url"] for entry in log_of(first)] == [URL]  # cancelled by the one that followed
    assert client.patch(path, {"callback_url": None}, format="json").json()["callback_url"] is None
    post(f"{path}trigger/")
    assert Task.objects.filter(callback_url=None).count() == 1


@pytest.mark.parametrize(("url", "code"), REFUSED[:3])
def test_a_schedule_s_url_is_held_to_the_same(url, code):
    body = {"operation": "4+7", "every_x_hours": 1, "callback_url": url}
    assert faults(post("/task-schedules/", body)) == {("#/callback_url", code)}
