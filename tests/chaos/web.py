"""One HTTP request, and what its sender knows of it afterwards."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

from tests.chaos.history import Outcome
from tests.chaos.ports import LOOPBACK

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and when the request was begun and over."""

    outcome: Outcome
    begun: float
    ended: float
    status: int | None = None
    body: Any = None


def request(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    """Send one request; never raises for what the network or the service does."""
    begun = time.time()
    status, decoded = None, None
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        try:
            connection.connect()
        except ConnectionRefusedError:
            # Nothing was sent.
            return Answer(Outcome.FAILED, begun, time.time())
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        text = response.read()
        status, decoded = response.status, json.loads(text) if text else None
    except (OSError, http.client.HTTPException, ValueError):
        return Answer(Outcome.UNKNOWN, begun, time.time(), status)
    finally:
        connection.close()
    return Answer(_outcome(status), begun, time.time(), status, decoded)


def _outcome(status: int) -> Outcome:
    if status >= 500:
        # A 503 may come from a commit whose answer was lost: it is not known whether it happened.
        return Outcome.UNKNOWN
    return Outcome.OK if status < 300 else Outcome.FAILED
