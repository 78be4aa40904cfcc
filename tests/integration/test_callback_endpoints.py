"""`callback_url` over HTTP: what is sent to a real receiver, and the log of it."""

import base64
import hashlib
import hmac
import json
import re
import threading
from http.server import HTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from scheduler_service.config import PROJECT_DIR
from tasks_app import drain, store
from tasks_app.callbacks import delivery
from tasks_app.models import Callback, Task
from tests.integration.callback_calls import URL, log_of, submitted
from tests.integration.calls import resolving
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import MISSING_ID, client_of, faults, get, post, problem
from tests.integration.receiver import Receiver, plainly

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "whsec_YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb2s="


@pytest.fixture(autouse=True)
def sweeps(monkeypatch) -> list[str]:
    """The sweeps that workers ask for."""
    asked: list[str] = []
    monkeypatch.setattr(drain, "go_on", lambda name: asked.append(name))
    return asked


@pytest.fixture
def worker():
    worker = drain.Worker()
    yield worker
    worker.watchdog.rest()


def run(worker: drain.Worker) -> None:
    """Work off the tasks, tell of their ends, and run what tells it."""
    worker.drain("tasks", "w@host", seconds=60)
    delivery.deliver()
    worker.drain("callbacks", "w@host", seconds=60)


# --- what a receiver gets ------------------------------------------------------------------------------------


def test_a_receiver_is_told_by_a_signed_post_and_the_log_says_so(worker, receiver, configure):
    configure(http_signing_secrets=SecretStr(SECRET))
    receiver.respond = plainly(204)
    task_id = submitted(receiver.url("/ended?key=7"))
    assert log_of(task_id) == []
    run(worker)
    (got,) = receiver.received
    assert got.line == "POST /ended?key=7 HTTP/1.1"
    assert (got.headers["content-type"], json.loads(got.body)["data"]["result"]) == ("application/json", 11)
    (entry,) = log_of(task_id)
    assert got.headers["webhook-id"] == f"callback_{entry['delivery_task_id']}"
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    assert got.headers["webhook-signature"] == f"v1,{an_hmac(SECRET, content)}"
    (attempt,) = entry.pop("attempts")
    assert entry == {
        "url": receiver.url("/ended?key=7"),
        "ended_at": get(f"/tasks/{task_id}/").json()["finished_at"],
        "is_repetition": False,
        "delivery_task_id": entry["delivery_task_id"],
        "status": "SUCCESS",
        "next_attempt_at": None,
    }
    assert (attempt["number"], attempt["outcome"], attempt["response_status"], attempt["error"]) == (
        1,
        "SUCCESS",
        204,
        None,
    )


def an_hmac(secret: str, content: bytes) -> str:
    """An HMAC from its definition (RFC 2104), on nothing but SHA-256."""
    key = base64.b64decode(secret.removeprefix("whsec_")).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + content).digest()
    return base64.b64encode(hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()).decode()


@pytest.mark.parametrize("status", [302, 401, 404, 422, 500])
def test_a_receiver_that_is_not_ready_is_told_once_it_is(worker, receiver, configure, status):
    configure(callback_retry_base_seconds=0.001)
    receiver.respond = plainly(status, b"out of order")
    task_id = submitted(receiver.url())
    run(worker)
    (entry,) = log_of(task_id)
    assert (entry["status"], entry["next_attempt_at"] is None) == ("RETRY", False)
    assert entry["attempts"][0]["error"]["code"] == "http_failure"
    receiver.respond = plainly(200)
    store.promote()
    worker.drain("callbacks", "w@host", seconds=60)
    (entry,) = log_of(task_id)
    assert (entry["status"], entry["next_attempt_at"]) == ("SUCCESS", None)
    assert [(each["number"], each["response_status"]) for each in entry["attempts"]] == [
        (1, status),
        (2, 200),
    ]
    assert len({got.headers["webhook-id"] for got in receiver.received}) == 1
    assert len({got.body for got in receiver.received}) == 1


def test_a_worker_has_an_end_told_at_once_and_asks_no_more_often_than_it_may(worker, sweeps, monkeypatch):
    submitted(URL)
    post("/tasks/", {"operation": "4+7", "queue": "others"})
    worker.drain("others", "w@host", seconds=60)
    assert sweeps == []
    monkeypatch.setattr(drain, "TELLING_PAUSE", 3600.0)
    worker.drain("tasks", "w@host", seconds=60)
    submitted(URL)
    worker.drain("tasks", "w@host", seconds=60)
    assert sweeps == ["tasks_app.tasks.sweep"]


def test_a_receiver_that_is_not_there_is_logged_without_a_status(worker, configure):
    with Receiver() as gone:
        url = gone.url()
        configure(http_allowed_hosts=(f"127.0.0.1:{gone.port}",))
    task_id = submitted(url)
    run(worker)
    (entry,) = log_of(task_id)
    assert entry["status"] == "RETRY"
    assert [each["response_status"] for each in entry["attempts"]] == [None]


def test_a_name_that_leads_elsewhere_by_then_is_refused_when_it_is_told(worker, monkeypatch, configure):
    with Receiver() as local:
        configure(http_allowed_ports=(local.port,))
        task_id = submitted(f"http://rebound.example.com:{local.port}/")
        asked = resolving(monkeypatch, ["127.0.0.1"])
        run(worker)
        assert (asked, local.connections) == (["rebound.example.com"], 0)
    (entry,) = log_of(task_id)
    assert entry["status"] == "ERROR"
    assert [each["error"]["code"] for each in entry["attempts"]] == ["http_refused"]


def test_a_request_of_a_client_is_never_taken_for_a_callback(worker, receiver):
    post("/tasks/", {"operation": "http.request", "arguments": {"url": receiver.url()}, "tags": ["callback"]})
    worker.drain("tasks", "w@host", seconds=60)
    assert not receiver.received[0].headers["webhook-id"].startswith("callback_")
    arguments = {"url": receiver.url(), "headers": {"Webhook-Id": "callback_1"}}
    assert post("/tasks/", {"operation": "http.request", "arguments": arguments}).status_code == 400


def test_a_result_that_is_too_large_is_left_out_and_can_be_read(worker, receiver, configure):
    configure(max_arguments_bytes=2000)
    # Each of them alone would fit.
    task_id = submitted(receiver.url(), "debug.echo", arguments={"value": "x" * 1000})
    run(worker)
    data = json.loads(receiver.received[0].body)["data"]
    assert (data["result"], data["result_omitted"], data["status"]) == (None, True, "SUCCESS")
    assert get(f"/tasks/{task_id}/").json()["result"] == {"value": "x" * 1000}


def test_a_result_as_deep_as_results_may_be_is_told(worker, receiver):
    (task_id,) = create(new_task(callback_url=receiver.url()), now=None)
    deep: Any = 1
    for _ in range(64):
        deep = [deep]
    (held,) = store.claim("tasks", "w1", 1, lease_seconds=60)
    store.finish([ending(held, result=deep)])
    delivery.deliver()
    worker.drain("callbacks", "w@host", seconds=60)
    assert json.loads(receiver.received[0].body)["data"]["result"] == deep
    assert log_of(task_id)[0]["status"] == "SUCCESS"


def test_the_receiver_of_the_documents_takes_what_is_ours_and_nothing_else(
    worker, configure, monkeypatch, capsys
):
    monkeypatch.setenv("CALLBACK_SECRET", SECRET)
    code = re.search(
        r"^```python\n(import base64.*?)^```$",
        (PROJECT_DIR / "docs" / "callbacks.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert code is not None
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(code[1], names)
    server = HTTPServer(("127.0.0.1", 0), names["Receiver"])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        configure(
            http_allowed_hosts=(f"127.0.0.1:{server.server_port}",), http_signing_secrets=SecretStr(SECRET)
        )
        task_id = submitted(url)
        run(worker)
        assert log_of(task_id)[0]["status"] == "SUCCESS"
        forged = []
        for secret in ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""):
            configure(http_signing_secrets=SecretStr(secret))
            forged.append(submitted(url))
            run(worker)
            assert log_of(forged[-1])[0]["attempts"][0]["response_status"] == 403
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
    printed = capsys.readouterr().out
    assert f"{task_id} SUCCESS 11" in printed
    assert not [each for each in forged if each in printed]


# --- the log -------------------------------------------------------------------------------------------------


def test_a_delivery_that_is_not_stored_yet_stands_in_the_log():
    task_id = submitted(URL)
    assert post(f"/tasks/{task_id}/cancel/").status_code == 200
    (entry,) = log_of(task_id)
    assert (entry["delivery_task_id"], entry["status"], entry["attempts"]) == (None, None, [])


def test_an_end_that_cannot_be_told_stands_in_the_log_as_an_error(monkeypatch):
    task_id = submitted(URL)
    store.cancel([Task.objects.get().pk])
    monkeypatch.setattr(delivery, "new_delivery", lambda task: {}["x"])
    delivery.deliver()
    (entry,) = log_of(task_id)
    assert (entry["delivery_task_id"], entry["status"]) == (None, "ERROR")
    assert (entry["next_attempt_at"], entry["attempts"]) == (None, [])


def test_a_delivery_that_failed_is_sent_again_by_its_own_retry(worker, receiver):
    receiver.respond = plainly(410)
    task_id = submitted(receiver.url())
    run(worker)
    (entry,) = log_of(task_id)
    assert (entry["status"], entry["attempts"][0]["response_status"]) == ("ERROR", 410)
    receiver.respond = plainly(200)
    again = post(f"/tasks/{entry['delivery_task_id']}/retry/").json()
    worker.drain("callbacks", "w@host", seconds=60)
    first, second = log_of(task_id)
    assert (first["is_repetition"], second["is_repetition"]) == (False, True)
    assert (second["delivery_task_id"], second["status"]) == (again["task_id"], "SUCCESS")
    assert receiver.received[0].body == receiver.received[1].body


def test_the_log_of_a_task_of_another_project_is_not_there():
    task_id = submitted(URL)
    store.cancel([Task.objects.get().pk])
    assert len(log_of(task_id)) == 1
    path = "/tasks/{}/callbacks/"
    own = problem(client_of(2).get(path.format(task_id)), 404)
    missing = problem(client_of(2).get(path.format(MISSING_ID)), 404)
    assert own["detail"].replace(task_id, "") == missing["detail"].replace(MISSING_ID, "")


def test_the_log_takes_no_parameters():
    assert faults(get(f"/tasks/{submitted(URL)}/callbacks/", page=1)) == {("page", "unknown_parameter")}


def test_a_delivery_is_of_its_task_s_project_and_stands_in_no_other_s_list():
    (task_id,) = create(new_task(callback_url=URL, project_id=2))
    store.cancel([task_id])
    delivery.deliver()
    assert get("/tasks/").json()["results"] == []
    shown = client_of(2).get("/tasks/", {"queue": "callbacks"}).json()["results"]
    assert [task["tags"] for task in shown] == [["callback"]]
    assert client_of(1).post(f"/tasks/{shown[0]['task_id']}/retry/").status_code == 404


def test_deliveries_stand_in_lists_where_their_queue_and_tag_find_them():
    (task_id,) = create(new_task(callback_url=URL))
    store.finish([ending(each) for each in claim()], at(1))
    delivery.deliver()
    key = str(Callback.objects.get().delivery_task_id)
    assert {task["task_id"] for task in get("/tasks/").json()["results"]} == {str(task_id), key}
    for parameters in ({"queue": "callbacks"}, {"tag": "callback"}):
        assert [task["task_id"] for task in get("/tasks/", **parameters).json()["results"]] == [key]


def test_an_hmac_of_this_test_is_that_of_the_library():
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, b"x", "sha256")).decode()
    assert an_hmac(SECRET, b"x") == expected
