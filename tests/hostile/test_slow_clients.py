"""Clients that are slow, idle or many hold the web server from nobody else."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.hostile.server import Web
from tests.hostile.wire import Client, connected, exchange, head, post, seconds_to_answer

pytestmark = pytest.mark.timeout(60)

MANY = 60
"""More than the server has threads, in all of its processes, many times over."""

PROMPT_SECONDS = 3.0
"""Far above what a busy machine needs for one request, and far below what a slow client may take."""

TASK = b'{"operation": "4+7"}'
READ, WRITE = head("GET", "/tasks/?page_size=1&tag=small"), post("/tasks/", TASK)
LARGE = "page_size=25&tag=large"
LARGE_TASKS, LARGE_BYTES = 25, 200_000

Slow = Callable[[Client], None]


def heads_byte_by_byte(client: Client) -> None:
    client.send(head("GET", "/tasks/")[:20])


def bodies_byte_by_byte(client: Client) -> None:
    client.send(post("/tasks/", TASK)[:-5])


def chunks_without_an_end(client: Client) -> None:
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    client.send(head("POST", "/tasks/", *lines) + b"5\r\n{    \r\n")


def nothing_at_all(client: Client) -> None:
    pass


def idle_after_an_answer(client: Client) -> None:
    client.send(READ)
    assert client.answer().status == 200


def closed_but_not_by_the_client(client: Client) -> None:
    client.send(head("GET", "/health/live", "Connection: close"))


def half_closed_without_a_request(client: Client) -> None:
    client.send(b"GET /tasks/ HTTP/1.1\r\n")
    client.socket.shutdown(socket.SHUT_WR)


def bodies_that_are_not_read(client: Client) -> None:
    client.send(head("POST", "/nowhere/", "Content-Length: 500000") + b"x" * 1000)


def readers_of_nothing(client: Client) -> None:
    client.send(head("GET", f"/tasks/?{LARGE}"))


SLOW = (
    heads_byte_by_byte,
    bodies_byte_by_byte,
    chunks_without_an_end,
    nothing_at_all,
    idle_after_an_answer,
    closed_but_not_by_the_client,
    half_closed_without_a_request,
    bodies_that_are_not_read,
    readers_of_nothing,
)


@contextmanager
def many(port: int, slow: Slow, number: int = MANY) -> Iterator[list[Client]]:
    with ExitStack() as open_ones:
        clients: list[Client] = []
        for _ in range(number):
            clients.append(open_ones.enter_context(connected(port)))
            slow(clients[-1])
        yield clients


@pytest.fixture(scope="module", autouse=True)
def _large_answers(web: Web) -> None:
    text = b"x" * LARGE_BYTES
    task = b'{"operation": "debug.echo", "tags": ["large"], "arguments": {"x": "%s"}}' % text
    for _ in range(LARGE_TASKS):
        assert exchange(web.port, post("/tasks/", task)).status == 202


@pytest.mark.parametrize("slow", SLOW, ids=lambda slow: slow.__name__)
def test_a_good_client_is_served_in_time_beside_many_slow_ones(web: Web, slow: Slow) -> None:
    # What a large answer costs to make is another matter than who reads it.
    with many(web.port, slow, 16 if slow is readers_of_nothing else MANY):
        waited = [seconds_to_answer(web.port, request) for request in (READ, WRITE) * 3]
    assert max(waited) < PROMPT_SECONDS
