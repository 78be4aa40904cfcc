"""A RabbitMQ of the harness's own can be killed, frozen and filled up, and leaves nothing running."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu
import pytest

from launcher import pids
from tests.chaos.brokers import RabbitMQ, make
from tests.chaos.rabbit import RabbitServer, programs, session
from tests.chaos.roles import send

FOUND = programs()
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(180),
    pytest.mark.skipif(FOUND is None, reason="no RabbitMQ server on this machine"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    assert FOUND is not None
    server = RabbitServer(tmp_path_factory.mktemp("broker"), FOUND)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def publish(server: RabbitServer) -> None:
    """Send a message that survives a restart, and wait until the server has it."""
    with session(server.url(server.address()[1]), confirm_publish=True) as connection:
        producer = connection.Producer(connection.channel())
        queue = kombu.Queue("tasks")
        producer.publish("a ring", exchange="", routing_key="tasks", declare=[queue], timeout=2)


def depth(server: RabbitServer) -> int:
    with session(server.url(server.address()[1])) as connection:
        return int(kombu.Queue("tasks")(connection.channel()).queue_declare().message_count)


@pytest.fixture
def rung(server: RabbitServer) -> RabbitServer:
    """The same with one message."""
    server.forget()
    publish(server)
    assert depth(server) == 1
    return server


def test_a_flushed_server_has_no_message_left(rung: RabbitServer) -> None:
    rung.forget()
    assert depth(rung) == 0


def test_a_killed_server_comes_back_under_its_address_with_what_it_had_on_disk(rung: RabbitServer) -> None:
    rung.settle()
    old = rung.processes()
    rung.stop()
    assert rung.pid() is None
    with pytest.raises(RuntimeError):
        depth(rung)
    rung.start()
    assert rung.processes().keys() == old.keys() == {"broker", "epmd"}
    assert depth(rung) == 1


def test_a_server_that_died_is_started_again_by_its_supervisor(rung: RabbitServer) -> None:
    assert rung.popen is not None
    rung.popen.kill()
    rung.popen.wait()
    assert rung.supervise()
    rung.start()
    assert not rung.supervise()


@pytest.mark.parametrize("fault", ["frozen", "full"])
def test_a_server_that_is_frozen_or_full_takes_no_message_until_it_is_healed(
    rung: RabbitServer, fault: str
) -> None:
    pid = rung.pid()
    assert pid is not None
    begin: dict[str, Callable[[], object]] = {"frozen": lambda: send(pid, signal.SIGSTOP), "full": rung.fill}
    end: dict[str, Callable[[], object]] = {
        "frozen": lambda: send(pid, signal.SIGCONT),
        "full": rung.make_room,
    }
    begin[fault]()
    try:
        with pytest.raises(RuntimeError):
            publish(rung)
    finally:
        end[fault]()
    before = depth(rung)
    publish(rung)
    assert depth(rung) == before + 1


def test_a_stopped_server_leaves_no_process(tmp_path: Path) -> None:
    assert FOUND is not None
    server = RabbitServer(tmp_path, FOUND)
    server.start()
    running = server.processes()
    assert all(pids.identity(pid) for pid in running.values())
    server.stop()
    assert [name for name, pid in running.items() if pids.identity(pid)] == []


def test_without_the_server_program_a_vhost_of_a_running_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert isinstance(make("rabbitmq", tmp_path), RabbitServer)
    monkeypatch.setattr("tests.chaos.rabbit.programs", lambda: None)
    broker = make("rabbitmq", tmp_path)
    assert isinstance(broker, RabbitMQ)
    assert (broker.pid(), broker.fill(), broker.processes()) == (None, None, {})
