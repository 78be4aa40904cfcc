"""gunicorn's threaded worker with all waiting for clients in its loop: a thread begins when a request is whole.

gunicorn's own worker reads a request and sends its answer in a thread of its pool, so that as many slow clients as
there are threads hold the process, and lingers in the loop itself when it closes a connection. Here the loop receives,
sends what a client does not take at once, and closes; sockets never block.
"""

import errno
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from scheduler_service.webserver import refusals
from scheduler_service.webserver.answering import AnsweringWorker
from scheduler_service.webserver.arrival import Arrival, Refusal
from scheduler_service.webserver.connection import Connection

LEAST_BYTES_PER_SECOND = 1024
"""What a client that sends or reads for longer than its patience must do at least."""

LINGER_SECONDS = 2.0
"""How long what a refused client still sends is thrown away: if it were not read, its answer would be lost."""

SMALL_BYTES = 64 * 1024
"""What any connection may hold of the memory for requests and answers under way."""

BODIES_IN_MEMORY = 4
"""How many bodies of the largest size unfinished requests and answers may hold together."""

SWEEP_SECONDS = 0.25
NO_SOCKETS_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Worker(AnsweringWorker):
    """`gunicorn --worker-class scheduler_service.webserver.worker.Worker`; takes gthread's options."""

    def run(self) -> None:
        """Serve until gunicorn says stop."""
        from django.conf import settings  # with the application, which gunicorn loads in the worker

        self.patience: float = settings.CONFIG.client_patience_seconds
        self.most_body: int = settings.CONFIG.max_body_bytes
        self.most_held = BODIES_IN_MEMORY * self.most_body
        self.held = 0
        # Those that no thread has, the one that has waited longest first.
        self.waiting: dict[Connection, None] = {}
        self._next_sweep = 0.0
        super().run()

    # --- receiving -----------------------------------------------------------------------------------------

    def accept(self, listener: Any) -> None:
        """Take a connection; where there are too many, the one that has waited longest has to go."""
        try:
            raw, client = listener.accept()
        except OSError as error:
            if error.errno in NO_SOCKETS_LEFT:
                self._drop_longest_waiting()
                time.sleep(0.001)  # the listener stays ready; without a victim this would be a busy loop
            return
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._drop_longest_waiting()
        conn = Connection(self.cfg, raw, client, listener.getsockname(), self.patience)
        self._guarded(partial(self._await_request, conn, self.patience), conn)

    def _await_request(self, conn: Connection, seconds: float, data: bytes = b"") -> None:
        is_idle = conn.keeps and not data
        conn.arrival = Arrival(self.most_body)
        conn.on_ready = self._receive
        self._begin(conn, seconds)
        if is_idle:
            return self._watch(conn, selectors.EVENT_READ)
        if data:
            conn.arrival.add(data)
        return self._receive(conn)

    def _receive(self, conn: Connection) -> None:
        arrival = conn.arrival
        try:
            while not arrival.is_whole and not arrival.refusal:
                if self._must_pause(conn):
                    return self._unwatch(conn)
                data = conn.raw.recv(arrival.wanted)
                if not data:
                    return self._end_early(conn)
                if not arrival.data:
                    self._begin(conn, self.patience)
                arrival.add(data)
                self._account(conn)
        except BlockingIOError:
            return self._receive_more(conn)
        except OSError:
            return self._drop(conn)
        return self._refuse(conn, arrival.refusal) if arrival.refusal else self._hand_over(conn)

    def _receive_more(self, conn: Connection) -> None:
        if conn.arrival.data:
            conn.deadline = conn.began + self.patience + len(conn.arrival.data) / LEAST_BYTES_PER_SECOND
        if conn.arrival.asks_to_continue:
            conn.arrival.asks_to_continue = False
            conn.raw.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._watch(conn, selectors.EVENT_READ)

    def _end_early(self, conn: Connection) -> None:
        if conn.arrival.data:
            self._refuse(conn, refusals.ENDED_EARLY)
        else:
            self._drop(conn)

    def _refuse(self, conn: Connection, refusal: Refusal) -> None:
        self.say(conn.sock, conn.client, refusal, refusal.code)
        conn.keeps = False
        self._send(conn)

    # --- while a thread has it -----------------------------------------------------------------------------

    def _hand_over(self, conn: Connection) -> None:
        self._unwatch(conn)
        self.waiting.pop(conn, None)
        conn.sock.take(bytes(conn.arrival.data[: conn.arrival.end]))
        del conn.arrival.data[: conn.arrival.end]
        self.enqueue_req(conn)

    def finish_request(self, conn: Connection, fs: Future[bool]) -> None:
        """In the loop again: send the answer, then await the next request."""
        conn.keeps = not fs.cancelled() and fs.exception() is None and fs.result()
        conn.on_ready = self._send
        self._begin(conn, self.patience)
        self._guarded(self._send, conn)

    # --- sending and closing -------------------------------------------------------------------------------

    def _send(self, conn: Connection) -> None:
        try:
            is_sent = conn.sock.push()
        except OSError:
            return self._drop(conn)
        self._account(conn)
        if not is_sent:
            conn.on_ready = self._send
            conn.deadline = conn.began + self.patience + conn.sock.sent / LEAST_BYTES_PER_SECOND
            self._watch(conn, selectors.EVENT_WRITE)
            return self._keep_memory()
        if conn.keeps:
            return self._await_request(conn, self.cfg.keepalive, bytes(conn.arrival.data))
        return self._linger(conn)

    def _keep_memory(self) -> None:
        """Drop who has been reading a large answer for longest, until the rest fits."""
        for conn in [
            conn for conn in self.waiting if conn.on_ready == self._send and conn.held > SMALL_BYTES
        ]:
            if self.held <= self.most_held:
                return
            self._drop(conn)

    def _linger(self, conn: Connection) -> None:
        conn.arrival.data.clear()
        self._account(conn)
        conn.on_ready = self._discard
        self._begin(conn, LINGER_SECONDS)
        try:
            conn.raw.shutdown(socket.SHUT_WR)
        except OSError:
            return self._drop(conn)
        return self._discard(conn)

    def _discard(self, conn: Connection) -> None:
        try:
            if not conn.raw.recv(SMALL_BYTES):
                return self._drop(conn)
        except BlockingIOError:
            pass
        except OSError:
            return self._drop(conn)
        return self._watch(conn, selectors.EVENT_READ)

    def _drop(self, conn: Connection) -> None:
        self._unwatch(conn)
        self.waiting.pop(conn, None)
        if conn.raw.fileno() >= 0:
            conn.raw.close()
            self.nr_conns -= 1
            self.held -= conn.held

    def _drop_longest_waiting(self) -> None:
        longest = next(iter(self.waiting), None)
        if longest is not None:
            self._drop(longest)

    # --- bounds --------------------------------------------------------------------------------------------

    def _begin(self, conn: Connection, seconds: float) -> None:
        conn.began = time.monotonic()
        conn.deadline = conn.began + seconds
        self.waiting.pop(conn, None)
        self.waiting[conn] = None

    def _account(self, conn: Connection) -> None:
        held = len(conn.arrival.data) + conn.sock.unsent
        self.held += held - conn.held
        conn.held = held

    def _must_pause(self, conn: Connection) -> bool:
        """Whether there is no memory for more of this body, even without those that have taken too long."""
        if self.held <= self.most_held or conn.held < SMALL_BYTES:
            return False
        overdue = time.monotonic() - self.patience
        for other in [other for other in self.waiting if other.held > SMALL_BYTES and other.began < overdue]:
            if self.held <= self.most_held:
                return False
            self._drop(other)
        return self.held > self.most_held and conn.raw.fileno() >= 0

    def murder_pending(self) -> None:
        """gunicorn calls this in each turn of its loop."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        for conn in [conn for conn in self.waiting if not conn.watched]:
            conn.deadline = now + self.patience  # that it had to pause was not its fault
            self._guarded(self._receive, conn)
        for conn in [conn for conn in self.waiting if conn.deadline <= now]:
            self._guarded(self._end_waiting, conn)

    def _end_waiting(self, conn: Connection) -> None:
        if conn.on_ready == self._receive and conn.arrival.data:
            self._refuse(conn, refusals.TOO_SLOW)
        else:
            self._drop(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """gunicorn calls this when it stops: idle clients are not waited for."""
        for conn in self.waiting:
            if not conn.held:
                conn.deadline = min(conn.deadline, deadline)

    # --- the poller ----------------------------------------------------------------------------------------

    def _watch(self, conn: Connection, event: int) -> None:
        if not conn.watched:
            self.poller.register(conn.raw, event, partial(self._on_event, conn))
        elif conn.watched != event:
            self.poller.modify(conn.raw, event, partial(self._on_event, conn))
        conn.watched = event

    def _unwatch(self, conn: Connection) -> None:
        if conn.watched:
            self.poller.unregister(conn.raw)
            conn.watched = 0

    def _on_event(self, conn: Connection, _socket: Any) -> None:
        # An event may be older than what was done with the connection since, in the same turn.
        if conn.watched:
            self._guarded(conn.on_ready, conn)

    def _guarded(self, act: Callable[..., None], conn: Connection) -> None:
        """One connection's mishap must not end the process, and with it all the others."""
        try:
            act(conn) if not isinstance(act, partial) else act()
        except Exception:
            self.log.exception("a connection failed")
            self._drop(conn)
