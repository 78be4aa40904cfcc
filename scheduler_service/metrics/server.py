"""METRICS_PORT: what the processes of a folder have counted, served by a worker's parent process or by beat.

For workers on other machines than the web processes. What the database is asked for is only in the web processes' own
answer: the sum over many workers would hold it as often, and this process forks, which is no place for connections.
"""

import logging
import os
import signal
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from scheduler_service.config import Config
from scheduler_service.metrics import catalog, counts, exposition
from scheduler_service.metrics.access import REALM, are_served, is_allowed
from scheduler_service.metrics.build import build

logger = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds in which a client has to send its request and take the answer."""


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE
    config: Config

    def setup(self) -> None:
        super().setup()
        # `timeout` is for one read: who sends a byte now and then would hold the only thread for hours.
        self._end = threading.Timer(PATIENCE, self._hang_up)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        self._end.cancel()
        super().finish()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        if self.path.partition("?")[0].rstrip("/") != "/metrics":
            self.send_error(404)
        elif not is_allowed(self.config, self.headers.get("Authorization", "")):
            self._answer(401, {"WWW-Authenticate": REALM, "Content-Type": "text/plain"}, b"")
        else:
            families = [exposition.info(catalog.BUILD, build()), *exposition.counted(counts.totals())]
            asked = (self.headers.get(name, "") for name in ("Accept", "Accept-Encoding"))
            self._answer(200, *exposition.answer(families, *asked))

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a scrape every few seconds is no news."""


class _Server(HTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in the log, in its format, what would be printed."""
        logger.warning("A reader of the metrics had no answer", exc_info=True)


_servers: list[HTTPServer] = []


def serve(config: Config, *, is_open: bool) -> HTTPServer | None:
    """Serve from now on, in a thread; None if no port is set, or another process of this machine has it already.

    None also without METRICS_TOKEN, unless the settings open the metrics to all (`is_open`).
    """
    if not config.metrics_port:
        return None
    if not are_served(config, is_open=is_open):
        logger.warning("Metrics are not served on METRICS_PORT=%d without METRICS_TOKEN", config.metrics_port)
        return None
    handler = type("Handler", (_Handler,), {"config": config})
    try:
        server = _Server((config.metrics_host, config.metrics_port), handler)
    except OSError as error:
        # Under run.py worker, scheduler worker and beat share a folder: one of them is enough.
        logger.warning("Metrics are not served on METRICS_PORT=%d: %s", config.metrics_port, error)
        return None
    _servers.append(server)
    threading.Thread(target=_run, args=[server], name="metrics", daemon=True).start()
    return server


def _run(server: HTTPServer) -> None:
    # A signal that is let in here would strike a main thread that has masked it.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    server.serve_forever()


def _after_fork() -> None:
    # A child that held the port would keep it after its parent's end, and answer nobody.
    while _servers:
        _servers.pop().socket.close()


os.register_at_fork(after_in_child=_after_fork)
