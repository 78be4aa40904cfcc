"""METRICS_PORT: a worker's parent process serves what its folder has counted."""

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import RemoteDisconnected

import pytest
from pydantic import SecretStr

from scheduler_service.config import Config
from scheduler_service.metrics import counts, server
from scheduler_service.metrics.catalog import COUNTED, RINGS

TOKEN = "a-token"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config(port: int, token: str = TOKEN) -> Config:
    return Config().model_copy(update={"metrics_port": port, "metrics_token": SecretStr(token)})


@contextmanager
def served(config: Config, *, is_open: bool = False) -> Iterator[None]:
    made = server.serve(config, is_open=is_open)
    assert made is not None
    try:
        yield
    finally:
        made.shutdown()
        made.server_close()
        server._servers.remove(made)


@pytest.fixture
def port() -> Iterator[int]:
    port = free_port()
    with served(config(port)):
        yield port


def read(port: int, path: str = "/metrics", token: str = TOKEN, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("WWW-Authenticate", "")


def test_it_serves_what_was_counted_and_nothing_of_the_database(port):
    counts.add([((RINGS.name, "sent"), 3.0)])
    status, text = read(port)
    assert status == 200
    assert 'scheduler_rings_total{result="sent"} 3.0' in text
    assert all(f"# TYPE {metric.name} " in text for metric in COUNTED)
    assert "scheduler_build_info{" in text
    assert "scheduler_database_up" not in text


@pytest.mark.parametrize("token", ["", "another", TOKEN + "x", TOKEN[:-1]])
def test_the_wrong_token_is_refused(port, token):
    assert read(port, token=token) == (401, 'Bearer realm="metrics"')


def test_it_has_one_address(port):
    assert read(port, "/")[0] == 404
    assert read(port, "/metrics/?x=1")[0] == 200


def test_a_version_that_nobody_knows_is_answered_as_none(port):
    status, text = read(port, Accept="application/openmetrics-text;version=abc")
    assert (status, text[:7]) == (200, "# HELP ")


def test_without_a_port_nothing_is_served():
    assert server.serve(config(0), is_open=True) is None


def test_production_serves_none_without_a_token(caplog):
    assert server.serve(config(free_port(), token=""), is_open=False) is None
    assert "METRICS_TOKEN" in caplog.text


def test_a_developers_machine_shows_them_to_all():
    port = free_port()
    with served(config(port, token=""), is_open=True):
        assert read(port, token="")[0] == 200


def test_a_port_that_is_taken_stops_no_worker(port):
    assert server.serve(config(port), is_open=False) is None


def test_what_fails_is_logged_and_printed_nowhere_else(port, monkeypatch, caplog, capfd):
    def fail():
        raise RuntimeError("no sums")

    monkeypatch.setattr(counts, "totals", fail)
    with pytest.raises(RemoteDisconnected):
        read(port)
    monkeypatch.undo()
    assert read(port)[0] == 200  # the only thread is through with the one before
    assert "RuntimeError: no sums" in caplog.text
    assert "RuntimeError" not in capfd.readouterr().err


def test_a_forked_child_does_not_keep_the_port(port):
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(write_end, str(len(server._servers)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read_end, 10) == b"0"
    assert read(port)[0] == 200


def is_hung_up_on(client: socket.socket) -> bool:
    """Whether the server ends the talk with a client that sends a byte now and then."""
    client.settimeout(0.05)
    for _ in range(100):
        try:
            client.send(b"x")
            if not client.recv(1):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def test_who_sends_a_byte_now_and_then_is_hung_up_on(monkeypatch, port):
    monkeypatch.setattr(server, "PATIENCE", 0.3)
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert is_hung_up_on(client)
    assert read(port)[0] == 200
