"""What a key is made of, and whether a shown one is right. Pure: no database, no clock.

`key_0123456789ab.<secret>`: the prefix finds the row, the secret opens it. A secret has 256 random bits, so that nobody
finds it from its digest by trying, and the digest needs no slow hash as a password's does.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

_FORM = re.compile(r"(key_[0-9a-f]{12})\.([A-Za-z0-9_-]{43})", re.ASCII)
NO_DIGEST = "0" * 64
"""Compared with where there is no digest, so that this takes as long as a wrong one. No secret is known to have it."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The digests that open a key; empty: none."""

    digest: str = ""
    previous_digest: str = ""
    previous_expires_at: datetime | None = None


def new_prefix() -> str:
    """A new key's public part."""
    return f"key_{secrets.token_hex(6)}"


def new_secret() -> str:
    """A new key's secret part: 256 random bits in base64url."""
    return secrets.token_urlsafe(32)


def spell(prefix: str, secret: str) -> str:
    """The whole key, as it is shown once and then sent with each request."""
    return f"{prefix}.{secret}"


def parse(text: str) -> tuple[str, str] | None:
    """Prefix and secret of what was sent; None if it cannot be a key."""
    found = _FORM.fullmatch(text)
    return (found[1], found[2]) if found else None


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256, in hexadecimal."""
    return sha256(secret.encode()).hexdigest()


def opens(secret: str, lock: Lock, now: datetime) -> bool:
    """Whether the secret is the right one, or the one before a rotation whose overlap is not over.

    Takes the same way, and the same time, for every secret and every lock.
    """
    shown = digest(secret)
    is_current = hmac.compare_digest(shown, lock.digest or NO_DIGEST)
    is_previous = hmac.compare_digest(shown, lock.previous_digest or NO_DIGEST)
    return is_current or (
        is_previous and lock.previous_expires_at is not None and now < lock.previous_expires_at
    )
