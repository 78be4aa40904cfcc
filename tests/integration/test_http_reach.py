"""`http.request`: which addresses a request reaches, and that their certificates are checked."""

import threading

import pytest
from django.conf import settings

from tasks_app.operations import DoNotRetry
from tasks_app.operations.http import guard
from tasks_app.operations.http.guard import Refused
from tasks_app.operations.http.verdict import HttpFailure
from tests.integration.calls import call, resolving
from tests.integration.receiver import Receiver

# --- where it may go -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f000001",
        "127.1",
        "0",
        "0.0.0.0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "example.com@127.0.0.1",
        "127.0.0.1#.example.com",
        "127.0.0.1\\.example.com",
    ],
)
def test_no_spelling_of_loopback_reaches_a_local_server(host, configure):
    with Receiver() as local:
        # The port alone is open, as if Redis were on 443: all depends on the address.
        configure(http_allowed_ports=(local.port,), http_allowed_hosts=())
        with pytest.raises(DoNotRetry) as caught:
            call(f"http://{host}:{local.port}/")
        assert caught.value.code in ("http_refused", "invalid_arguments")
        assert local.connections == 0


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["fd00:ec2::254"],
        ["8.8.8.8", "127.0.0.1"],
        ["::ffff:169.254.169.254"],
        ["64:ff9b::a9fe:a9fe"],
    ],
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(found, monkeypatch, configure):
    with Receiver() as local:
        configure(http_allowed_ports=(local.port,))
        resolving(monkeypatch, found)
        with pytest.raises(Refused):
            call(f"http://rebound.example:{local.port}/")
        assert local.connections == 0


def test_a_resolver_that_answers_differently_the_second_time_is_not_asked_again(monkeypatch, configure):
    with Receiver() as checked, Receiver() as inside:
        # Both are on 127.0.0.1; what counts is which address the connection is made to.
        configure(http_allowed_hosts=(f"127.0.0.1:{checked.port}",), http_allowed_ports=(inside.port,))
        asked = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        call(f"http://rebound.example:{checked.port}/")
        assert asked == ["rebound.example"]
        assert checked.received[0].headers["host"] == f"rebound.example:{checked.port}"
        with pytest.raises(Refused):
            call(f"http://rebound.example:{checked.port}/")
        assert checked.connections == 1


def test_the_connection_goes_to_the_first_address_that_answers(receiver, monkeypatch, configure):
    configure(http_allowed_hosts=("127.0.0.0/8", "::1"), http_allowed_ports=(receiver.port,))
    resolving(monkeypatch, ["::1", "127.0.0.9", "127.0.0.1"])
    assert call(f"http://many.example:{receiver.port}/")["status"] == 200


def test_the_refusal_stands_in_no_traceback_and_names_no_address(monkeypatch, configure):
    configure(http_allowed_hosts=())
    resolving(monkeypatch, ["10.1.2.3"])
    with pytest.raises(Refused) as caught:
        call("http://db.internal.example/")
    assert "10.1.2.3" not in caught.value.message


def test_the_guard_follows_the_settings(configure):
    configure(http_allowed_ports=(443,), http_allowed_hosts=("hooks.internal",))
    made = guard.of(settings.CONFIG)
    assert made.ports == {443}
    assert made.openings[0].name == "hooks.internal"


# --- TLS -------------------------------------------------------------------------------------------------


def test_a_certificate_for_the_name_is_required(certificates, configure, monkeypatch):
    with Receiver(tls=certificates.server("hooks.example")) as receiver:
        configure(http_allowed_hosts=(f"127.0.0.1:{receiver.port}",))
        resolving(monkeypatch, ["127.0.0.1"])
        with pytest.raises(HttpFailure, match="certificate verify failed"):
            call(receiver.url(host="hooks.example"))
        certificates.trust(monkeypatch)
        assert call(receiver.url(host="hooks.example"))["status"] == 200
        with pytest.raises(HttpFailure, match="certificate"):
            call(receiver.url(host="other.example"))
        with pytest.raises(HttpFailure, match="certificate"):
            call(receiver.url())
        assert [got.headers["host"] for got in receiver.received] == [f"hooks.example:{receiver.port}"]
    assert certificates.asked == ["hooks.example", "hooks.example", "other.example", None]


def test_an_address_in_the_url_is_verified_as_an_address(certificates, configure, monkeypatch):
    certificates.trust(monkeypatch)
    with Receiver(tls=certificates.server("127.0.0.1")) as receiver:
        configure(http_allowed_hosts=(f"127.0.0.1:{receiver.port}",))
        assert call(receiver.url(), text="x" * 1_000_000)["status"] == 200
        assert len(receiver.received[0].body) == 1_000_000


def test_a_handshake_that_never_ends_ends_with_the_time_for_the_whole(receiver):
    over = threading.Event()
    receiver._request = lambda connection: over.wait(30)
    with pytest.raises(HttpFailure, match="within"):
        call(receiver.url().replace("http:", "https:"), timeout_seconds=0.3)
    over.set()
