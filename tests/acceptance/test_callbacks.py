"""Callbacks by real processes: a receiver that is away at first, and a scheduler worker that is killed in between."""

import base64
import hmac
import json
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest

from launcher import pids
from launcher.processes import LOOPBACK
from tests.acceptance.service import SIGNING_SECRET, Service, wait_for
from tests.acceptance.test_stacks import all_ended

pytestmark = pytest.mark.timeout(300)

TASKS = 60


class Told:
    """What the receiver was told: the bodies by `webhook-id`, each verified."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = defaultdict(list)
        self.unsigned = 0

    def take(self, headers: dict[str, str], body: bytes) -> int:
        key = base64.b64decode(SIGNING_SECRET.removeprefix("whsec_"))
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        own = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        if not hmac.compare_digest(own, headers["webhook-signature"]):
            self.unsigned += 1
            return 403
        self.bodies[headers["webhook-id"]].append(body)
        # Every third one is taken, but its answer says otherwise: it must come again.
        return 503 if len(self.bodies[headers["webhook-id"]]) == 1 and len(self.bodies) % 3 == 0 else 204


@contextmanager
def receiving(port: int) -> Iterator[Told]:
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(told.take(headers, body))
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Not into the tests' output."""

    with ThreadingHTTPServer((LOOPBACK, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join(30)


def kill(service: Service, name: str) -> None:
    process = service.running.pop(name)
    pids.signal_group(process.pid, signal.SIGKILL)
    process.wait()


def test_each_task_of_a_batch_is_told_by_one_delivery_whatever_is_away(service: Service) -> None:
    url = f"http://{LOOPBACK}:{service.receiver_port}/ended"
    items = [{"operation": "3000+3"}] * (TASKS - 1) + [{"operation": "1/0", "max_attempts": 1}]
    path = f"/tasks/batch-request/?callback_url={quote(url, safe='')}"
    with service.with_processes("worker"):
        ids = [task["task_id"] for task in service.request("POST", path, items)["tasks"]]
        wait_for(
            lambda: any(log_of(service, task_id) for task_id in ids[:5]), "the first ends, with nobody there"
        )
        kill(service, "scheduler")
        wait_for(all_ended(service, ids), "the tasks, without a scheduler worker")
        service.start("scheduler")
        with receiving(service.receiver_port) as told:
            wait_for(lambda: all(is_told(service, task_id) for task_id in ids), "all to be told")
    deliveries = {task_id: log_of(service, task_id) for task_id in ids}
    assert {len(log) for log in deliveries.values()} == {1}
    expected = {f"callback_{log[0]['delivery_task_id']}": task_id for task_id, log in deliveries.items()}
    assert told.unsigned == 0
    assert {key: json.loads(bodies[-1])["data"]["task_id"] for key, bodies in told.bodies.items()} == expected
    assert {len(set(bodies)) for bodies in told.bodies.values()} == {1}
    statuses = [json.loads(bodies[0])["data"]["status"] for bodies in told.bodies.values()]
    assert sorted(statuses) == ["ERROR"] + ["SUCCESS"] * (TASKS - 1)
    assert len(service.tasks("queue=callbacks")) == TASKS


def log_of(service: Service, task_id: str) -> list[dict[str, Any]]:
    return list(service.request("GET", f"/tasks/{task_id}/callbacks/")["results"])


def is_told(service: Service, task_id: str) -> bool:
    return [each["status"] for each in log_of(service, task_id)] == ["SUCCESS"]
