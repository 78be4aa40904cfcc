"""Submits a batch over HTTP and shows its progress until every task has ended: a client, like any other."""

import http.client
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WAIT_SECONDS = 120.0
PAUSE_SECONDS = 0.2
TERMINAL = ("SUCCESS", "ERROR", "CANCELLED", "EXPIRED")
COLUMNS = ("PENDING", "STARTED", "RETRY", *TERMINAL)

Task = dict[str, Any]


class Client:
    """The few requests of the demo."""

    def __init__(self, base: str) -> None:
        self._address = urlsplit(base).netloc

    def request(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Send JSON, get JSON. Raises SystemExit with the answer's text on an error status."""
        connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= 400:
            sys.exit(f"{method} {path} was answered with {response.status}: {text}")
        return json.loads(text)

    def submit(self, batch: bytes) -> list[Task]:
        """Create the tasks; all of them or none."""
        return list(self.request("POST", "/tasks/batch-request/?atomic=true", batch)["tasks"])

    def refresh(self, tasks: list[Task]) -> list[Task]:
        """The tasks as they are now; those that have ended are not asked for again."""
        return [
            task if task["status"] in TERMINAL else self.request("GET", f"/tasks/{task['task_id']}/")
            for task in tasks
        ]


def table(tasks: list[Task]) -> list[str]:
    """One line per operation and priority: how many tasks have which status."""
    kinds = sorted({(task["priority"], task["operation"]) for task in tasks})
    counts = Counter((task["priority"], task["operation"], task["status"]) for task in tasks)
    shown = [
        status for status in COLUMNS if status in ("PENDING", "STARTED", "SUCCESS") or _any(counts, status)
    ]
    lines = ["priority  operation  " + "".join(f"{status:>10}" for status in shown)]
    for priority, operation in kinds:
        numbers = "".join(f"{counts[priority, operation, status]:>10}" for status in shown)
        lines.append(f"{priority:>8}  {operation:<9}  {numbers}")
    return lines


def _any(counts: Counter[tuple[int, str, str]], status: str) -> bool:
    return any(key[2] == status for key in counts)


class Screen:
    """Draws over its last drawing on a terminal; elsewhere it writes what has changed."""

    def __init__(self) -> None:
        self._last: list[str] = []

    def show(self, lines: list[str]) -> None:
        if lines == self._last:
            return
        if sys.stdout.isatty() and self._last:
            print(f"\x1b[{len(self._last)}A\x1b[J", end="")
        print("\n".join(lines), flush=True)
        self._last = lines


def main(base: str, batch: Path) -> int:
    """Returns 0 if every task ended with SUCCESS within the time, else 1."""
    client, screen = Client(base), Screen()
    tasks = client.submit(batch.read_bytes())
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        screen.show(table(tasks))
        if all(task["status"] in TERMINAL for task in tasks):
            break
        time.sleep(PAUSE_SECONDS)
        tasks = client.refresh(tasks)
    succeeded = sum(task["status"] == "SUCCESS" for task in tasks)
    print(f"{succeeded} of {len(tasks)} tasks: SUCCESS")
    return 0 if succeeded == len(tasks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
