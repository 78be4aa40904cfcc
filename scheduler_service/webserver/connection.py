"""One client of the web server."""

import socket
from collections.abc import Callable
from typing import Any

from gunicorn.workers.gthread import TConn

from scheduler_service.webserver.arrival import Arrival
from scheduler_service.webserver.wire import Wire


class Connection(TConn):
    """One client.

    Attributes:
        raw: its socket.
        arrival: its next request.
        began: when it began with what it is at (`time.monotonic`): sending, reading its answer, being idle.
        deadline: when that must be over.
        held: bytes that are kept of it.
        on_ready: what to do when the socket is ready.
        watched: the event of the socket that is waited for; 0: none.
        keeps: whether it may send another request after its answer.
    """

    def __init__(self, cfg: Any, raw: socket.socket, client: Any, server: Any, patience: float) -> None:
        super().__init__(cfg, Wire(raw, patience), client, server)
        self.data_ready = True  # so that gunicorn does not wait for any
        self.raw = raw
        self.arrival = Arrival(0)
        self.began = self.deadline = 0.0
        self.held = 0
        self.on_ready: Callable[[Connection], None]
        self.watched = 0
        self.keeps = False
