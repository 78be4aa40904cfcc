"""What the settings of outgoing requests mean: pure, so that the start can check them and the caller can use them."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SECRET_BYTES = range(24, 65)
"""How many bytes a secret of Standard Webhooks has."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST_AND_PORT = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Opening:
    """An entry of HTTP_ALLOWED_HOSTS: a host name or addresses, on one port, or (None) on all allowed ports."""

    name: str | None
    network: Network | None
    port: int | None


def host_name(text: str) -> str | None:
    """A host's name in lower case and without the last dot; None if it is none.

    What ends in a number is none: resolvers read `127.1`, `0x7f.1` and `2130706433` as addresses.
    """
    name = text.lower().removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        return None
    return name


def opening(text: str) -> Opening:
    """Read `host`, `host:port`, an address, `address:port`, `[address]:port` or a network. Raises ValueError."""
    if (network := _network(text)) is not None:
        return Opening(None, network, None)
    found = _HOST_AND_PORT.fullmatch(text)
    if not found or (found[3] and not 1 <= int(found[3]) <= 65_535):
        raise ValueError(f"{text!r} is no host, host:port, address or network")
    host, port = found[1] or found[2], int(found[3]) if found[3] else None
    if "/" not in host and (network := _network(host)) is not None:
        return Opening(None, network, port)
    if found[1] or (name := host_name(host)) is None:
        raise ValueError(f"{text!r} is no host, host:port, address or network")
    return Opening(name, None, port)


def secrets(text: str) -> Mapping[str, tuple[bytes, ...]]:
    """Keys by host, those for every other host under "", from comma-separated `[host=]whsec_<base64>`.

    Raises ValueError, with a message that shows nothing of a secret.
    """
    keys: dict[str, tuple[bytes, ...]] = {}
    entries = [entry.strip() for entry in text.split(",")]
    for place, entry in enumerate((entry for entry in entries if entry), start=1):
        host, secret = _parted(entry, place)
        keys[host] = (*keys.get(host, ()), _key(secret, place))
    return keys


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _parted(entry: str, place: int) -> tuple[str, str]:
    if entry.startswith("whsec_"):
        return "", entry  # base64 may end in "="
    text, _, secret = entry.partition("=")
    network = _network(text.strip("[]"))
    host = host_name(text) if network is None else str(network.network_address)
    if host is None or "/" in text:
        raise ValueError(f"entry {place} is neither whsec_… nor host=whsec_…")
    return host, secret


def _key(secret: str, place: int) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_").encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        key = b""
    if not secret.startswith("whsec_") or len(key) not in SECRET_BYTES:
        raise ValueError(f"entry {place} is not whsec_ and the base64 of 24 to 64 random bytes")
    return key
