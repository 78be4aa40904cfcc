"""Seeded clients: each a thread that submits, reads, cancels, repeats and deletes, and notes every call."""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos import callbacks
from tests.chaos.history import Call, Outcome
from tests.chaos.web import Answer, request

MOST_CALLS_PER_SECOND = 12.0
SLOW_PER_SECOND = 0.8
"""Tasks that take long, over all clients: they would fill two workers of two children at any higher rate."""

SHARES = {"submit": 45, "batch": 10, "read": 22, "cancel": 8, "retry": 5, "delete": 6, "schedule": 4}
TOLD_SHARE = 0.05
"""Tasks whose end somebody is to be told; the telling takes longer than most of them do."""
REMEMBERED = 500
MOST_TRIES = 5


def mean_batch(rate: float) -> float:
    """Tasks per batch that make up this rate (tasks per second) at the number of calls that clients send."""
    calls = min(rate, MOST_CALLS_PER_SECOND)
    total = sum(SHARES.values())
    return max(4.0, (rate / calls - SHARES["submit"] / total) / (SHARES["batch"] / total))


class Client(threading.Thread):
    """One client. `calls` is complete once the thread has ended."""

    def __init__(
        self, number: int, ports: list[int], *, seed: str, rate: float, of: int, lease: float
    ) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self.calls: list[Call] = []
        self.error: Exception | None = None
        self._number = number
        self._seed = seed
        self._ports = ports
        self._random = random.Random(f"{seed}:client:{number}")
        self._gap = of / min(rate, MOST_CALLS_PER_SECOND)
        self._batch_size = mean_batch(rate)
        self._slow_share = min(0.2, SLOW_PER_SECOND / rate)
        self._lease = lease
        self._known: list[str] = []
        self._stopping = threading.Event()
        self._verbs: dict[str, Callable[[], None]] = {name: getattr(self, f"_{name}") for name in SHARES}

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # to be raised where the run is judged: half a history proves nothing
            self.error = error

    def _work(self) -> None:
        names, weights = list(SHARES), list(SHARES.values())
        while not self._stopping.wait(self._random.expovariate(1 / self._gap)):
            [name] = self._random.choices(names, weights)
            self._verbs[name]()

    # --- What it does

    def _submit(self) -> None:
        label = self._label()
        answer = self._insist("/tasks/", self._task(label), label)
        self._created("submit", answer, label, 1, [answer.body] if answer.outcome is Outcome.OK else [])

    def _batch(self) -> None:
        label = self._label()
        items = min(10_000, self._random.randint(2, round(2 * self._batch_size)))
        answer = self._send(
            "POST", "/tasks/batch-request/?atomic=true", [self._task(label) for _ in range(items)]
        )
        tasks = answer.body["tasks"] if answer.outcome is Outcome.OK else []
        self._created("batch", answer, label, items, tasks)

    def _schedule(self) -> None:
        label = self._label()
        answer = self._send("POST", "/task-schedules/", self._rule(label))
        ids = (answer.body["task_schedule_id"],) if answer.outcome is Outcome.OK else ()
        self._note("schedule", answer, task_ids=ids, label=label)

    def _read(self) -> None:
        self._about("read", "GET", "")

    def _cancel(self) -> None:
        self._about("cancel", "POST", "cancel/")

    def _delete(self) -> None:
        self._about("delete", "DELETE", "")

    def _retry(self) -> None:
        if self._known:
            answer = self._send("POST", f"/tasks/{self._random.choice(self._known)}/retry/")
            self._created("retry", answer, "", 1, [answer.body] if answer.outcome is Outcome.OK else [])

    # --- How

    def _about(self, kind: str, method: str, path: str) -> None:
        if not self._known:
            return
        # Mostly a recent one: the others are over, and nothing becomes of them any more.
        recent = self._known[-8:] if self._random.random() < 0.7 else self._known
        task_id = self._random.choice(recent)
        answer = self._send(method, f"/tasks/{task_id}/{path}")
        body = answer.body if answer.outcome is Outcome.OK and isinstance(answer.body, dict) else None
        self._note(kind, answer, task_ids=(task_id,), answer=body)

    def _insist(self, path: str, body: Any, label: str) -> Answer:
        """Submit; half of the time with a key, and then again until it is known what became of it."""
        if self._random.random() < 0.5:
            return self._send("POST", path, body)
        key, is_known = {"Idempotency-Key": f"{self._seed}-{label}"}, True
        for _ in range(MOST_TRIES):
            answer = self._send("POST", path, body, key)
            is_known &= answer.outcome is not Outcome.UNKNOWN
            if answer.outcome is Outcome.OK or (is_known and answer.status is not None):
                return answer
            if self._stopping.wait(self._random.uniform(0.2, 1)):
                break
        return answer if is_known else replace(answer, outcome=Outcome.UNKNOWN)

    def _send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        return request(self._random.choice(self._ports), method, path, body, headers=headers)

    def _created(
        self, kind: str, answer: Answer, label: str, items: int, tasks: list[dict[str, Any]]
    ) -> None:
        ids = tuple(task["task_id"] for task in tasks)
        self._known = (self._known + list(ids[:20]))[-REMEMBERED:]
        self._note(kind, answer, task_ids=ids, label=label, items=items)

    def _note(self, kind: str, sent: Answer, **values: Any) -> None:
        facts: dict[str, Any] = {
            "begun": sent.begun,
            "ended": sent.ended,
            "outcome": sent.outcome,
            "status": sent.status,
        }
        self.calls.append(Call(kind=kind, **facts, **values))

    def _label(self) -> str:
        return f"client-{self._number}-{len(self.calls)}"

    def _task(self, label: str) -> dict[str, Any]:
        draw = self._random
        task: dict[str, Any] = {
            **self._operation(),
            "priority": draw.randrange(10),
            "max_attempts": draw.randint(1, 5),
            "tags": [label],
        }
        if draw.random() < TOLD_SHARE:
            task["callback_url"] = callbacks.URL
        begin = 0.0
        if draw.random() < 0.15:
            begin = draw.uniform(0.2, 4)
            task["run_at"] = _from_now(begin)
        if draw.random() < 0.06:
            task["expires_at"] = _from_now(begin + draw.uniform(1, 5))
        return task

    def _operation(self) -> dict[str, Any]:
        draw = self._random
        value = draw.randrange(1_000_000)
        if draw.random() < self._slow_share:
            name = draw.choice(["chaos.slow", "chaos.slow", "chaos.long", "chaos.drowsy"])
            low, high = (self._lease / 3, self._lease / 1.5) if name == "chaos.long" else (0.3, 2.5)
            return {"operation": name, "arguments": {"value": value, "seconds": draw.uniform(low, high)}}
        if draw.random() < 0.2:
            return {
                "operation": "chaos.flaky",
                "arguments": {"value": value, "probability": draw.random() * 0.8},
            }
        return {"operation": "chaos.quick", "arguments": {"value": value}}

    def _rule(self, label: str) -> dict[str, Any]:
        draw = self._random
        behind = draw.randint(0, 3)
        start = draw.uniform(1, 8) - 3600 * behind
        rule: dict[str, Any] = {"operation": "chaos.quick", "arguments": {"value": draw.randrange(1_000_000)}}
        rule |= {"name": label, "every_x_hours": 1, "starts_at": _from_now(start)}
        if draw.random() < 0.3:
            rule["schedule_x_times"] = draw.randint(1, 3)
        if draw.random() < 0.3 and behind:
            rule["ends_at"] = _from_now(start + 3600 * draw.randint(1, behind) + 1)
        return rule


def _from_now(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
