"""URLs that mean the same to whoever reads them; every other spelling is refused."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from scheduler_service.outbound import Address, host_name

MAX_URL = 2048
"""Characters."""

DEFAULT_PORTS = {"http": 80, "https": 443}

_CHARACTERS = re.compile(r"[!-~]*")
_URL = re.compile(r"(https?)://([^/?]*)(/[^?]*)?(\?.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `host` is a name or an address, without brackets; `address` is None for a name."""

    scheme: str
    host: str
    address: Address | None
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """Read a URL. Raises ValueError, with a sentence that says what to do."""
    if len(url) > MAX_URL:
        raise ValueError(f"The URL has {len(url)} characters; {MAX_URL} are taken.")
    if not _CHARACTERS.fullmatch(url) or "\\" in url:
        raise ValueError(
            "Write spaces and all but ASCII as %XX in the path, as xn--… in the host; no backslash."
        )
    if "#" in url:
        raise ValueError("A fragment (#…) is never sent; leave it out.")
    found = _URL.fullmatch(url)
    if not found:
        raise ValueError("Start it with http:// or https:// and a host.")
    scheme = found[1].lower()
    host, address, port = _authority(found[2], DEFAULT_PORTS[scheme])
    return Target(scheme, host, address, port, (found[3] or "/") + (found[4] or ""))


def _authority(text: str, default_port: int) -> tuple[str, Address | None, int]:
    if "@" in text:
        raise ValueError("A URL may not hold a name or password; send them in a header.")
    found = _AUTHORITY.fullmatch(text)
    port = int(found[2]) if found and found[2] else default_port
    if not found or not 1 <= port <= 65_535:
        raise ValueError("Write the host as name, name:port, or [IPv6 address]:port.")
    if address := _address(found[1]):
        return str(address), address, port
    name = host_name(found[1])
    if name is None:
        raise ValueError(
            "That is no host name, and no address in its usual spelling, such as 192.0.2.1 or [2001:db8::1]."
        )
    return name, None, port


def _address(text: str) -> Address | None:
    try:
        if text.startswith("["):
            return _without_zone(IPv6Address(text[1:-1]))
        return IPv4Address(text)
    except AddressValueError:
        return None


def _without_zone(address: IPv6Address) -> IPv6Address:
    if address.scope_id is not None:
        raise AddressValueError
    return address
