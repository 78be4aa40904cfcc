"""Shorthands for tests of `http.request`; its fixtures stand in `conftest`."""

import socket
from typing import Any

import pytest

from tasks_app.operations import resolve
from tests.integration.receiver import Receiver, Respond
from tests.support import a_context


def call(url: str, **arguments: Any) -> dict[str, Any]:
    """The result of a first attempt with these arguments; raises what the attempt raises."""
    return resolve("http.request").run("http.request", {"url": url, **arguments}, a_context())


def answered(receiver: Receiver, respond: Respond, **arguments: Any) -> dict[str, Any]:
    """The result of a request that the receiver answers so."""
    receiver.respond = respond
    return call(receiver.url(), **arguments)


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A resolver with these answers, one after the other; the last one stays. Returns what it was asked."""
    asked: list[str] = []

    def resolver(host: str, port: int, **kwargs: Any) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return asked
