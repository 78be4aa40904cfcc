"""The broker under test: a Redis (or the embedded Valkey) of the harness's own, or a vhost of a running RabbitMQ."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import kombu
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from launcher import broker
from launcher.errors import LauncherError
from launcher.layout import DataFolder
from launcher.processes import embedded_broker
from launcher.supervisor import spawn
from tests.chaos.errors import Missing

START_SECONDS = 20.0
QUEUES = ("tasks", "scheduler")


class Broker(Protocol):
    """What the harness does with a broker."""

    name: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def supervise(self) -> bool: ...
    def forget(self) -> None:
        """Lose every message."""

    def address(self) -> tuple[str, int] | str:
        """Host and port, or the path of a socket: where the proxy finds it."""

    def url(self, port: int) -> str:
        """Where the service finds it: behind the proxy."""

    def pid(self) -> int | None: ...


class Redis:
    """A server of the harness's own that keeps nothing on disk."""

    name = "redis"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.popen: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._server = _server()

    def start(self) -> None:
        self._wanted = True
        with (self.folder / "broker.log").open("ab") as log:
            self.popen = spawn(embedded_broker(self._server, DataFolder(self.folder)), os.environ, log)
        deadline = time.monotonic() + START_SECONDS
        while not broker.answers(Path(self.address())):
            if time.monotonic() > deadline:
                raise RuntimeError("the Redis server does not answer")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once, with everything it holds."""
        self._wanted = False
        if self.popen is not None:
            self.popen.send_signal(signal.SIGKILL)
            self.popen.wait()

    def supervise(self) -> bool:
        if self._wanted and self.popen is not None and self.popen.poll() is not None:
            self.start()
            return True
        return False

    def forget(self) -> None:
        with self.client() as client:
            client.flushall()

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """A connection that no proxy disturbs."""
        client = redis.Redis(
            unix_socket_path=self.address(), socket_timeout=1, retry=Retry(NoBackoff(), retries=0)
        )
        try:
            yield client
        finally:
            client.close()

    def address(self) -> str:
        return str(DataFolder(self.folder).socket)

    def url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"

    def pid(self) -> int | None:
        return self.popen.pid if self.popen is not None and self.popen.poll() is None else None


class RabbitMQ:
    """A vhost of the harness's own on a server that runs already; the server itself is left alone."""

    name = "rabbitmq"

    def __init__(self) -> None:
        url = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
        self._server = urlsplit(url)
        self._vhost = f"chaos-{secrets.token_hex(4)}"
        self._is_own = self._server.path in ("", "/", "//", "/%2F", "/%2f")

    def start(self) -> None:
        if not self._is_own:
            # The address names a vhost: it was given for this, and a test may empty its two queues.
            self._vhost = self._server.path.removeprefix("/")
            self.forget()
            return
        user = self._server.username or "guest"
        for words in (
            ["add_vhost", self._vhost],
            ["set_permissions", "-p", self._vhost, user, ".*", ".*", ".*"],
        ):
            if not _rabbitmqctl(*words):
                raise Missing(
                    "a RabbitMQ vhost of its own: rabbitmqctl cannot make one here; "
                    "name one that may be emptied in TEST_RABBITMQ_URL, amqp://user:password@host:port/vhost"
                )

    def stop(self) -> None:
        if self._is_own:
            _rabbitmqctl("delete_vhost", self._vhost)
        else:
            self.forget()

    def supervise(self) -> bool:
        return False

    def forget(self) -> None:
        with kombu.Connection(self._url(self._server.hostname, self._server.port or 5672)) as connection:
            for name in QUEUES:
                kombu.Queue(name)(connection.default_channel).delete()

    def address(self) -> tuple[str, int]:
        return (self._server.hostname or "127.0.0.1", self._server.port or 5672)

    def url(self, port: int) -> str:
        return self._url("127.0.0.1", port)

    def pid(self) -> int | None:
        return None

    def _url(self, host: str | None, port: int) -> str:
        login = f"{self._server.username or 'guest'}:{self._server.password or 'guest'}"
        return urlunsplit(("amqp", f"{login}@{host}:{port}", f"/{quote(self._vhost, safe='')}", "", ""))


def make(name: str, folder: Path) -> Redis | RabbitMQ:
    """The broker of this name. Raises Missing."""
    return Redis(folder) if name == "redis" else RabbitMQ()


def _server() -> Path:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        return broker.server_path()
    except LauncherError as error:
        raise Missing(f"a Redis server: no redis-server on the PATH, and {error}") from None


def _rabbitmqctl(*words: str) -> bool:
    found = shutil.which("rabbitmqctl") or shutil.which("rabbitmqctl", path="/usr/sbin:/usr/local/sbin")
    if not found:
        return False
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run([found, *words], capture_output=True, check=False, timeout=60).returncode == 0
    return False
