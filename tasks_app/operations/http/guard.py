"""Which addresses a request may reach: public ones, and what the settings open.

The lists are those of IANA's registries of special-purpose addresses; where these call a block reachable that is an
infrastructure's own (relays, tunnels), it is refused all the same.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from scheduler_service.config import Config
from scheduler_service.outbound import Address, Opening, opening
from tasks_app.operations.errors import DoNotRetry
from tasks_app.operations.http.urls import Target

logger = logging.getLogger(__name__)

_WAY_OUT = "; an operator can open it with HTTP_ALLOWED_HOSTS."

REFUSED_4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network; 0.0.0.0 is this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host, which looks public
        "169.254.0.0/16",  # link-local; metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols; some clouds' metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
    )
)
UNICAST_6 = IPv6Network("2000::/3")
"""All that is handed out so far. Loopback, mapped, local, link-local, site-local and multicast lie outside."""
REFUSED_6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocols, among them Teredo, whose addresses hold IPv4 ones
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, whose addresses hold IPv4 ones
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
NAT64 = IPv6Network("64:ff9b::/96")


class Refused(DoNotRetry):
    """The request's address is not allowed."""

    code = "http_refused"


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could mean this address."""
    if isinstance(address, IPv6Address):
        inner = embedded(address)
        if inner is not None:
            return is_public(inner)
        return address in UNICAST_6 and not any(address in block for block in REFUSED_6)
    return not any(address in block for block in REFUSED_4)


def embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one are sent to: of a mapped address, or behind a NAT64."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


@dataclass(frozen=True, slots=True)
class Guard:
    """`ports` are open on public addresses; `openings` open more."""

    ports: frozenset[int]
    openings: tuple[Opening, ...] = ()

    def check(self, target: Target) -> None:
        """Refuse what must be wrong whatever the name resolves to. Raises Refused."""
        if target.address is not None:
            self.admit(target, [target.address])
        elif target.port not in self.ports and not any(self._may_match(one, target) for one in self.openings):
            raise Refused(f"Port {target.port} is not open to requests{_WAY_OUT}")

    def admit(self, target: Target, addresses: Sequence[Address]) -> None:
        """Raise Refused unless every address may be reached. One that may not spoils all."""
        for address in addresses:
            if self._is_open(target, address):
                continue
            # Only here: in the task's error it would tell its sender who lives in this network.
            logger.warning("Refused a request to %s, port %s: it is at %s", target.host, target.port, address)
            if target.port not in self.ports:
                raise Refused(f"Port {target.port} is not open to requests{_WAY_OUT}")
            raise Refused(f"{target.host} is at an address that is not public and was not allowed{_WAY_OUT}")

    def _is_open(self, target: Target, address: Address) -> bool:
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return False
        if target.port in self.ports and is_public(address):
            return True
        inner = embedded(address) if isinstance(address, IPv6Address) else None
        return any(
            self._port_matches(one, target.port) and _matches(one, target.host, address, inner)
            for one in self.openings
        )

    def _port_matches(self, one: Opening, port: int) -> bool:
        return port == one.port or (one.port is None and port in self.ports)

    def _may_match(self, one: Opening, target: Target) -> bool:
        return one.port == target.port and one.name in (None, target.host)


def _matches(one: Opening, host: str, address: Address, inner: IPv4Address | None) -> bool:
    if one.network is None:
        return one.name == host
    return address in one.network or (inner is not None and inner in one.network)


def of(config: Config) -> Guard:
    """The guard that the settings describe."""
    return _made(config.http_allowed_ports, config.http_allowed_hosts)


@lru_cache(maxsize=16)
def _made(ports: Iterable[int], hosts: Iterable[str]) -> Guard:
    return Guard(frozenset(ports), tuple(opening(host) for host in hosts))
