"""A proxy that does not let the first POST to each address come to its end.

It refuses it and asks for another try in a second, or passes it on and loses the answer.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from launcher.processes import LOOPBACK

REFUSAL = {"code": "unavailable", "detail": "Send it again.", "status": 503, "errors": []}
PASSED_ON = ("Content-Type", "Location")
Answer = tuple[int, bytes, dict[str, str]]


class Proxy(ThreadingHTTPServer):
    """In front of one service; `keys` are the idempotency keys that came to each address."""

    def __init__(self, service_url: str, *, loses_answers: bool) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        self.service_port = urlsplit(service_url).port
        self.loses_answers = loses_answers
        self.url = f"http://{LOOPBACK}:{self.server_port}"
        self.keys: dict[str, list[str | None]] = {}


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self._answer(*self._ask())

    def do_POST(self) -> None:
        came = self.server.keys.setdefault(self.path, [])
        came.append(self.headers["Idempotency-Key"])
        if len(came) > 1:
            self._answer(*self._ask())
        elif self.server.loses_answers:
            self._ask()
            self.close_connection = True
        else:
            self._read()
            self._answer(503, json.dumps(REFUSAL).encode(), {"Retry-After": "1"})

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _ask(self) -> Answer:
        """What the service answers."""
        connection = http.client.HTTPConnection(LOOPBACK, self.server.service_port, timeout=30)
        try:
            connection.request(self.command, self.path, self._read(), dict(self.headers))
            answer = connection.getresponse()
            headers = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
            return answer.status, answer.read(), headers
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def reluctant(service_url: str, *, loses_answers: bool = False) -> Iterator[Proxy]:
    """The proxy, for as long as the block runs."""
    with Proxy(service_url, loses_answers=loses_answers) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
