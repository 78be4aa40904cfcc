"""Where a request may go: spellings of URLs, kinds of addresses, and what the settings open."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduler_service.outbound import host_name, opening
from tasks_app.operations.http import urls
from tasks_app.operations.http.guard import REFUSED_4, REFUSED_6, UNICAST_6, Guard, Refused, is_public

PORTS = frozenset({80, 443})
CLOSED = Guard(PORTS)

# --- addresses -------------------------------------------------------------------------------------------

INSIDE = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1"],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"],
    "link-local": ["169.254.0.1", "fe80::1", "febf::1"],
    "site-local": ["fec0::1"],
    "shared by carriers": ["100.64.0.1", "100.127.255.255"],
    "documentation": ["192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "4000::1", "5f00::1", "100::1"],
    "IPv4 in IPv6": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::7f00:1", "::ffff:0:127.0.0.1"],
    "behind a NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8"],
    "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"],
    "Teredo": ["2001:0:1:2:3:4:80ff:fffe", "2001::1"],
}  # fmt: skip
OUTSIDE = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.0",
    "172.32.0.1",
    "169.253.1.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in INSIDE.items() for text in texts])
def test_an_address_that_is_not_public_is_refused(kind: str, text: str) -> None:
    assert not is_public(ip_address(text))
    with pytest.raises(Refused):
        CLOSED.admit(urls.parse("https://example.com/"), [ip_address(text)])


@pytest.mark.parametrize("text", OUTSIDE)
def test_a_public_address_is_admitted(text: str) -> None:
    CLOSED.admit(urls.parse("https://example.com/"), [ip_address(text)])


def addresses_in(block: Any) -> st.SearchStrategy[Any]:
    return st.ip_addresses(network=block)


FOUR = st.one_of(
    st.ip_addresses(v=4), *(addresses_in(block) for block in REFUSED_4), addresses_in("8.0.0.0/8")
)
SIX = st.one_of(
    st.ip_addresses(v=6), *(addresses_in(block) for block in REFUSED_6), addresses_in(str(UNICAST_6))
)


@given(FOUR)
@example(IPv4Address("192.88.99.1"))
def test_of_ipv4_only_what_python_calls_global_is_public(address: IPv4Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_loopback))
    elif address.is_global and not address.is_multicast:
        own = ("168.63.129.16/32", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24")
        assert any(address in IPv4Network(block) for block in (*own, "192.0.0.0/24"))


@given(SIX)
@example(IPv6Address("fec0::1"))
def test_of_ipv6_only_global_unicast_that_holds_no_other_address_is_public(address: IPv6Address) -> None:
    if is_public(address) and address.ipv4_mapped is None and address not in IPv6Network("64:ff9b::/96"):
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_site_local))
        assert address.sixtofour is None
        assert address.teredo is None


@given(FOUR)
def test_an_address_in_ipv6_clothes_is_judged_as_what_it_is(address: IPv4Address) -> None:
    mapped = IPv6Address(0xFFFF << 32 | int(address))
    behind = IPv6Address(0x64FF9B << 96 | int(address))
    assert is_public(mapped) == is_public(behind) == is_public(address)


def test_one_bad_address_among_good_ones_spoils_all() -> None:
    found = [ip_address("8.8.8.8"), ip_address("127.0.0.1")]
    with pytest.raises(Refused):
        CLOSED.admit(urls.parse("http://example.com/"), found)


def test_the_refusal_does_not_tell_the_address_that_a_name_has() -> None:
    with pytest.raises(Refused) as caught:
        CLOSED.admit(urls.parse("http://db.internal.example/"), [ip_address("10.20.30.40")])
    assert "10.20.30.40" not in caught.value.message
    assert "HTTP_ALLOWED_HOSTS" in caught.value.message
    assert "db.internal.example" in caught.value.message


def test_an_address_with_a_zone_is_refused_whatever_is_open() -> None:
    wide = Guard(PORTS, (opening("fe80::/10"),))
    wide.admit(urls.parse("http://router.example/"), [IPv6Address("fe80::1")])
    with pytest.raises(Refused):
        wide.admit(urls.parse("http://router.example/"), [IPv6Address("fe80::1%1")])


# --- spellings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "127.0.0.01",
        "1.2.3.4.5",
        "256.1.1.1",
        "example.0x",
        "example.1",
        "[::1%25eth0]",
        "[fe80::1%eth0]",
        "[127.0.0.1]",
        "[example.com]",
        "[::1",
        "::1",
        "[]",
        "",
        ".",
        "a..b",
        "-a.example",
        "a-.example",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "exämple.com",
        "%31%32%37.0.0.1",
        "localhost%00.example.com",
        "a" * 64 + ".example",
        "a." * 127 + "example",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:+80",
        "example.com:80:80",
        "user@example.com",
        "user:password@example.com",
        "@example.com",
        "example.com@127.0.0.1",
        "example.com:80@127.0.0.1:6379",
        "example.com\\@127.0.0.1",
        "example.com\t",
        "exam\nple.com",
        "example.com\r\nhost:x",
        "example.com ",
        "example.com#@127.0.0.1",
    ],
)
def test_an_odd_spelling_of_a_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        urls.parse(f"http://{host}/")
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_PING",
     "http:/example.com", "http:example.com", " http://example.com/", "http://example.com/a b", "http://example.com/ä",
     "http://example.com/#x", "http://example.com/\r\nX: y", "unix:///var/run/docker.sock", "http://" + "a" * 2048],
)  # fmt: skip
def test_what_is_no_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        urls.parse(url)


@pytest.mark.parametrize(
    ("url", "authority", "port", "path"),
    [
        ("https://Example.COM", "example.com", 443, "/"),
        ("HTTP://example.com./a?b=c", "example.com", 80, "/a?b=c"),
        ("https://example.com:443?x", "example.com", 443, "/?x"),
        ("http://example.com:443/", "example.com:443", 443, "/"),
        ("http://a_b.example:8080/%20", "a_b.example:8080", 8080, "/%20"),
        ("http://8.8.8.8:81/", "8.8.8.8:81", 81, "/"),
        ("http://[2606:4700:0::1111]:81/", "[2606:4700::1111]:81", 81, "/"),
        ("https://xn--exmple-cua.com/", "xn--exmple-cua.com", 443, "/"),
    ],
)
def test_a_url_is_read_in_one_way_only(url: str, authority: str, port: int, path: str) -> None:
    target = urls.parse(url)
    assert (target.authority, target.port, target.path) == (authority, port, path)


@given(st.text(alphabet="0123456789abcxABCX.", min_size=1, max_size=30))
def test_no_name_is_one_that_a_resolver_reads_as_an_address(text: str) -> None:
    try:
        socket.getaddrinfo(text, 80, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    assert host_name(text) is None


# --- what the settings open ------------------------------------------------------------------------------


def reaches(guard: Guard, url: str, *found: str) -> bool:
    target = urls.parse(url)
    try:
        guard.check(target)
        guard.admit(target, [ip_address(text) for text in found] or [target.address])
    except Refused:
        return False
    return True


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 8000])
def test_a_port_that_is_not_allowed_is_refused_before_the_name_is_looked_up(port: int) -> None:
    with pytest.raises(Refused, match=f"Port {port} .*HTTP_ALLOWED_HOSTS"):
        CLOSED.check(urls.parse(f"http://example.com:{port}/"))


def test_an_address_in_the_url_is_judged_at_once() -> None:
    with pytest.raises(Refused):
        CLOSED.check(urls.parse("http://127.0.0.1/"))
    CLOSED.check(urls.parse("http://8.8.8.8/"))
    CLOSED.check(urls.parse("http://localhost/"))


@pytest.mark.parametrize(
    ("entry", "url", "address", "expected"),
    [
        ("hooks.internal", "http://hooks.internal/", "10.0.0.1", True),
        ("Hooks.Internal.", "http://hooks.INTERNAL./", "10.0.0.1", True),
        ("hooks.internal", "http://other.internal/", "10.0.0.1", False),
        ("hooks.internal", "http://a.hooks.internal/", "10.0.0.1", False),
        ("hooks.internal", "http://hooks.internal:8080/", "10.0.0.1", False),
        ("hooks.internal:8080", "http://hooks.internal:8080/", "10.0.0.1", True),
        ("hooks.internal:8080", "http://hooks.internal/", "10.0.0.1", False),
        ("api.example.com:8443", "https://api.example.com:8443/", "8.8.8.8", True),
        ("api.example.com:8443", "https://api.example.net:8443/", "8.8.8.8", False),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.1", True),
        ("127.0.0.1:9000", "http://localhost:9000/", "127.0.0.1", True),
        ("127.0.0.1:9000", "http://127.0.0.1:6379/", "127.0.0.1", False),
        ("127.0.0.1:9000", "http://127.0.0.2:9000/", "127.0.0.2", False),
        ("127.0.0.1:9000", "http://[::ffff:127.0.0.1]:9000/", "::ffff:127.0.0.1", True),
        ("[::1]:9000", "http://[::1]:9000/", "::1", True),
        ("::1", "http://[::1]/", "::1", True),
        ("127.0.0.1", "http://127.0.0.1/", "127.0.0.1", True),
        ("127.0.0.1", "http://127.0.0.1:6379/", "127.0.0.1", False),
        ("127.0.0.1,127.0.0.1:9000", "http://localhost:9000/", "127.0.0.1", True),
        ("10.0.0.5,10.0.0.6:9000", "http://hooks.internal:9000/", "10.0.0.5", False),
        ("10.0.0.0/8", "http://hooks.internal/", "10.9.9.9", True),
        ("10.0.0.0/8", "http://hooks.internal:8080/", "10.9.9.9", False),
        ("10.0.0.0/8", "http://hooks.internal/", "169.254.169.254", False),
        ("fd00::/8", "http://hooks.internal/", "fd00:ec2::1", True),
    ],
)
def test_entries_open_what_they_name_and_no_more(entry: str, url: str, address: str, expected: bool) -> None:
    openings = tuple(opening(one) for one in entry.split(","))
    assert reaches(Guard(PORTS, openings), url, address) is expected


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.internal", "http://hooks.internal", "hooks.internal/path", "hooks.internal:0", "hooks.internal:x",
     "hooks.internal:70000", "10.0.0.1/8", "10.0.0.0/33", "127.1", "0x7f.1", "[hooks.internal]", "[10.0.0.0/8]:80",
     "user@hooks.internal"],
)  # fmt: skip
def test_an_entry_that_cannot_be_meant_stops_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match="no host"):
        opening(entry)
