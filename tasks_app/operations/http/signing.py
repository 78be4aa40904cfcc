"""Signatures of requests, as Standard Webhooks 1.0 (https://www.standardwebhooks.com/) describes them."""

import base64
import hmac
from collections.abc import Iterable
from functools import lru_cache

from pydantic import SecretStr

from scheduler_service import outbound

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def headers(message_id: str, timestamp: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """The three headers; without keys only the first two, which let a receiver see a repetition.

    `message_id` has no full stop in it; `timestamp` is of this attempt, in seconds since 1970.
    """
    content = b"%s.%d.%s" % (message_id.encode("ascii"), timestamp, body)
    signatures = " ".join(f"v1,{_digest(key, content)}" for key in keys)
    metadata = {ID: message_id, TIMESTAMP: str(timestamp)}
    return {**metadata, SIGNATURE: signatures} if signatures else metadata


def keys_for(host: str, setting: SecretStr) -> tuple[bytes, ...]:
    """The keys for this host, else those for every host."""
    keys = _keys(setting)
    return keys.get(host, keys.get("", ()))


@lru_cache(maxsize=4)
def _keys(setting: SecretStr) -> dict[str, tuple[bytes, ...]]:
    return dict(outbound.secrets(setting.get_secret_value()))


def _digest(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode("ascii")
