"""Every address and method of /swagger.json, filled in with things that exist, and how an answer is judged."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.hostile.server import SETTINGS, Web
from tests.hostile.wire import Answer, connected, head, post

IDLE_SECONDS = 1.0
"""How long a connection is used again: the server may close an idle one at any time."""

METHODS = ("get", "post", "put", "patch", "delete")
LEAKS = re.compile(
    r"Traceback|site-packages|/tmp/|/home/|/root/|(?<!manage)\.py\b|\bline \d+, in\b|SELECT |INSERT INTO|psycopg|sqlite"
    r"|gunicorn[/ ]\d|Django[/ ]\d|Python[/ ]\d|<html|<!doctype|OperationalError|hunter2|"
    + re.escape(SETTINGS["SECRET_KEY"])
)
SAID = {"type", "title", "status", "code", "detail", "errors"}
ALWAYS = {"x-request-id", "x-content-type-options", "content-security-policy"}


@dataclass(frozen=True)
class Operation:
    """One method of one address.

    Attributes:
        template: the address as it is documented.
        path: the address of something that exists.
        query: the names of its query parameters.
        fields: the names of its body's fields; None if it has no body.
        is_list: whether its body is an array of such objects.
    """

    method: str
    template: str
    path: str
    query: tuple[str, ...]
    fields: frozenset[str] | None
    is_list: bool
    headers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


@dataclass
class Session:
    """A kept connection; opened anew when the server has closed it."""

    web: Web
    headers: tuple[str, ...] = ()
    _open: Any = field(default=None, repr=False)
    _used: float = 0.0

    def send(self, request: bytes, *, is_head: bool = False) -> Answer:
        if time.monotonic() - self._used > IDLE_SECONDS:
            self.close()
        self._used = time.monotonic()
        if self._open is None:
            self._context = connected(self.web.port)
            self._open = self._context.__enter__()
        answer = None
        try:
            self._open.send(request)
            answer = self._open.answer(is_head=is_head)
        finally:
            if answer is None or not answer.status or answer.headers.get("connection") == "close":
                self.close()
        return answer

    def close(self) -> None:
        if self._open is not None:
            self._context.__exit__(None, None, None)
            self._open = None

    def ask(self, method: str, path: str, body: bytes | None = None, *lines: str) -> Answer:
        """One request; `path` goes over the wire as it is."""
        lines = (*self.headers, *lines)
        request = head(method, path, *lines) if body is None else post(path, body, *lines, method=method)
        return self.send(request, is_head=method == "HEAD")

    def make(self, path: str, body: Any) -> Any:
        """Create something."""
        answer = self.ask("POST", path, json.dumps(body).encode())
        assert 200 <= answer.status < 300, answer
        return answer.json()


def seed(session: Session) -> dict[str, str]:
    """Make one of everything; by the names that ids have in addresses."""
    session.make("/calendars/", {"name": "seed", "dates": ["2030-01-01"]})
    schedule = {"operation": "4+7", "every_x_days": 1, "starts_at": "2020-01-01T00:00:00Z", "name": "seed"}
    made = session.make("/task-schedules/", schedule)["task_schedule_id"]
    span = {"from": "2024-01-01T00:00:00Z", "to": "2024-01-03T00:00:00Z"}
    backfill = session.make(f"/task-schedules/{made}/backfills/", span)["backfill_id"]
    task = session.make("/tasks/", {"operation": "4+7"})["task_id"]
    return {"name": "seed", "schedule_id": made, "backfill_id": backfill, "task_id": task}


def operations(session: Session, ids: Mapping[str, str]) -> list[Operation]:
    """What the document has. Fails for an address whose ids nobody has seeded."""
    document = session.ask("GET", "/swagger.json").json()
    return [
        _operation(document, template, method, methods[method], ids)
        for template, methods in document["paths"].items()
        for method in METHODS
        if method in methods
    ]


def _operation(
    document: Any, template: str, method: str, described: Any, ids: Mapping[str, str]
) -> Operation:
    parameters = described["parameters"]
    bodies = [each["schema"] for each in parameters if each["in"] == "body"]
    is_list = bool(bodies) and bodies[0].get("type") == "array"
    fields = None
    if bodies:
        name = (bodies[0]["items"] if is_list else bodies[0])["$ref"].rpartition("/")[2]
        fields = frozenset(document["definitions"][name]["properties"])
    return Operation(
        method.upper(),
        template,
        template.format(**{name: quote(value, safe="") for name, value in ids.items()}),
        tuple(each["name"] for each in parameters if each["in"] == "query"),
        fields,
        is_list,
        tuple(each["name"] for each in parameters if each["in"] == "header"),
    )


def read_only(document: Any) -> frozenset[str]:
    """The names of all fields that are only ever answered."""
    definitions = document["definitions"].values()
    return frozenset(
        name
        for each in definitions
        for name, said in each.get("properties", {}).items()
        if said.get("readOnly")
    )


def faults(answer: Answer) -> Iterator[str]:
    """What is wrong with an answer, whatever the request was."""
    text = answer.body.decode("utf-8", "replace")
    if not 100 < answer.status < 500:
        yield f"status {answer.status}"
    if leak := LEAKS.search(text) or LEAKS.search(repr(answer.headers)):
        yield f"it tells {leak[0]!r}"
    if not answer.headers.keys() >= ALWAYS:
        yield f"it lacks the headers {sorted(ALWAYS - answer.headers.keys())}"
    if answer.status >= 400:
        yield from _faults_of_problem(answer)


def _faults_of_problem(answer: Answer) -> Iterator[str]:
    if not answer.is_problem or not answer.body:
        if answer.body or answer.headers.get("content-type") != "application/problem+json":
            yield f"no problem, but {answer.headers.get('content-type')}"
        return
    said = answer.json()
    if not said.keys() >= SAID or said["status"] != answer.status:
        yield f"a problem that says {said}"
    elif len(said["detail"]) < 15 or len(answer.body) > 100_000:
        yield f"a detail of {len(said['detail'])} characters in {len(answer.body)} bytes"


def judged(what: object, answer: Answer, *expected: int) -> list[str]:
    """One line per fault; with `expected` any other status is one, too."""
    found = list(faults(answer))
    if expected and answer.status not in expected:
        found.append(f"status {answer.status} instead of {' or '.join(map(str, expected))}")
    shown = answer.body[:150].decode("utf-8", "replace")
    return [f"{what!s:.120}: {fault} ({shown})" for fault in found]
