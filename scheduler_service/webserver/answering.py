"""What gunicorn's worker does in a thread with a request that has come whole."""

from io import BytesIO
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import ChunkMissingTerminator, InvalidHeader, NoMoreData
from gunicorn.workers.gthread import ThreadWorker

from scheduler_service.webserver import refusals
from scheduler_service.webserver.arrival import Refusal
from scheduler_service.webserver.connection import Connection
from scheduler_service.webserver.wire import Wire


class AnsweringWorker(ThreadWorker):
    """gunicorn's own, which answers what it refuses with problems, and trusts only what it has read to the end."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Raises ValueError for what this worker cannot do."""
        if cfg.is_ssl:
            raise ValueError("this worker ends no TLS; let a proxy do that")

    def handle(self, conn: Connection) -> bool:
        """Answer a request, in a thread; whether the connection is kept."""
        keeps = bool(super().handle(conn))
        # If gunicorn's parser found another end than `arrival`, nothing that follows can be trusted.
        return keeps and not conn.parser.unreader.buf.getvalue()

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        # A body that nobody has read is here whole. gunicorn would close the connection, after an answer that
        # does not say so, if more than 64 KiB of it were left.
        return bool(keepalive) and bool(conn.parser.finish_body())

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Check what gunicorn does not: the Host, and chunks, whose errors Django does not know."""
        if req.version >= (1, 1) and not any(name == "HOST" for name, _ in req.headers):
            raise InvalidHeader("HOST", req=req)
        if isinstance(req.body.reader, ChunkedReader):
            try:
                req.body = BytesIO(req.body.read())
            except NoMoreData as error:
                raise ChunkMissingTerminator(b"") from error
        return bool(super().handle_request(req, conn))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what gunicorn refuses, and what fails outside of Django."""
        refusal = refusals.of(exc)
        if refusal is refusals.FAILED:
            self.log.error("failed to answer a request", exc_info=exc)
        try:
            self.say(client, addr, refusal, type(exc).__name__)
        except OSError:
            self.log.debug("the client is gone")

    def say(self, wire: Wire, client: Any, refusal: Refusal, why: str) -> None:
        """Refuse a request. Raises OSError if the client is gone."""
        request_id, answer = refusals.answer(refusal)
        fields = {"request_id": request_id, "status": refusal.status, "address": client[0] if client else ""}
        # Only the kind of fault: a malformed line may hold a secret.
        self.log.warning("refused a request: %s", why, extra=fields)
        wire.sendall(answer)
