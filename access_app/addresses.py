"""From which address a request comes."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

LONGEST = 64


def client_address(environ: Mapping[str, Any]) -> str:
    """The client's address, as far as it is known; behind a trusted proxy the one that this proxy saw.

    A proxy appends to `X-Forwarded-For`: only its last entry is its own word, those before it are the client's.
    """
    if settings.CONFIG.trust_proxy_headers:
        last = str(environ.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
        if last:
            return last[:LONGEST]
    return str(environ.get("REMOTE_ADDR", ""))[:LONGEST]
