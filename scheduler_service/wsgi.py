"""WSGI entry point for gunicorn."""

import gc
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_service.settings.development")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def read_chunked(application: Application) -> Application:
    """Let Django read bodies that come without a Content-Length (chunked transfer coding, RFC 9112 section 7.1).

    Django takes a missing length for zero and drops the body. Where the server ends the stream itself
    (`wsgi.input_terminated`), a length of one byte more than is allowed lets the parser read, and refuse, as ever.
    """
    from django.conf import settings

    most = str(settings.CONFIG.max_body_bytes + 1)

    def read(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if is_chunked and environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH"):
            environ["CONTENT_LENGTH"] = most
        return application(environ, start_response)

    return read


def settle() -> None:
    """Load what the first request would, and keep the garbage collector from going through all of it ever again.

    A batch's thousands of tasks set off full collections, and each took as long as half a batch to find nothing.
    """
    from django.urls import get_resolver

    from scheduler_service import garbage

    _ = get_resolver().url_patterns
    gc.collect()
    garbage.settle()


def trace() -> None:
    """Begin traces, which must come before Django loads its middleware."""
    from django.conf import settings

    from scheduler_service import telemetry

    telemetry.trace(settings.CONFIG)


def warn_if_open() -> None:
    """Say in the log when a deployment asks for no keys."""
    from django.conf import settings

    from access_app.checks import OPEN

    if not (settings.API_KEYS_REQUIRED or settings.DEBUG):
        logging.getLogger(__name__).warning(OPEN)


trace()
application = read_chunked(get_wsgi_application())
settle()
warn_if_open()
