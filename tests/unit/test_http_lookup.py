"""Looking a name up: once, with all its addresses, and never longer than the task may take."""

import signal
import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from tasks_app.operations import Cancelled
from tasks_app.operations.http import lookup, urls
from tasks_app.operations.http.patience import DeadlinePassed, Patience


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver that does not answer before this is set."""
    go_on = threading.Event()

    def resolver(*args: Any, **kwargs: Any) -> list[Any]:
        go_on.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield go_on
    go_on.set()


def wanted() -> None:
    """A task that nobody has cancelled."""


def test_a_name_is_looked_up_once_with_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def resolver(host: str, port: int, **kwargs: Any) -> list[Any]:
        asked.append((host, port))
        four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))
        return [four, (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)), four]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    found = lookup.addresses(urls.parse("http://example.com/"), Patience(30, wanted))
    assert found == [ip_address("8.8.8.8"), ip_address("::1")]
    assert asked == [("example.com", 80)]


def test_an_address_is_not_looked_up(held: threading.Event) -> None:
    assert lookup.addresses(urls.parse("http://8.8.8.8/"), Patience(30, wanted)) == [ip_address("8.8.8.8")]


def test_a_lookup_that_hangs_is_not_waited_for_beyond_the_deadline(held: threading.Event) -> None:
    with pytest.raises(DeadlinePassed):
        lookup.addresses(urls.parse("http://example.com/"), Patience(0.05, wanted))


def test_a_lookup_that_hangs_does_not_outlast_a_cancellation(held: threading.Event) -> None:
    def cancelled() -> None:
        raise Cancelled("The task's cancellation was requested.")

    with pytest.raises(Cancelled):
        lookup.addresses(urls.parse("http://example.com/"), Patience(30, cancelled))


def test_lookups_that_hang_are_no_more_than_their_bound(
    held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "_slots", threading.BoundedSemaphore(2))
    target = urls.parse("http://example.com/")
    before = set(threading.enumerate())  # those of other tests may not have ended yet
    for _ in range(4):
        with pytest.raises(DeadlinePassed):
            lookup.addresses(target, Patience(0.02, wanted))
    hanging = set(threading.enumerate()) - before
    assert len(hanging) == 2
    held.set()
    for thread in hanging:
        thread.join(30)
    assert lookup.addresses(target, Patience(30, wanted)) == []


def test_a_thread_that_looks_up_takes_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[Any]] = []

    def resolver(*args: Any, **kwargs: Any) -> list[Any]:
        seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    lookup.addresses(urls.parse("http://example.com/"), Patience(30, wanted))
    assert {signal.SIGUSR2, signal.SIGTERM, signal.SIGINT} <= seen[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
