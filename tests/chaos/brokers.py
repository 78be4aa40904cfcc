"""The broker under test: a Redis, Valkey or RabbitMQ of the harness's own, or a vhost of a RabbitMQ that runs."""

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

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from launcher import broker
from launcher.errors import LauncherError
from launcher.layout import DataFolder
from launcher.processes import embedded_broker
from launcher.supervisor import spawn
from tests.chaos import rabbit
from tests.chaos.errors import Missing

START_SECONDS = 20.0


class Broker(Protocol):
    """What the harness does with a broker."""

    name: str
    returns: str
    """With what it comes back after `stop` and `start`."""

    def start(self) -> None: ...
    def revive(self) -> None:
        """Start it again. Raises RuntimeError as long as it does not answer; to be repeated then."""

    def stop(self) -> None: ...
    def supervise(self) -> bool: ...
    def forget(self) -> None:
        """Lose every message."""

    def fill(self) -> str | None:
        """Leave it no memory for messages; what that means. None: not possible here."""

    def make_room(self) -> None:
        """Undo `fill`."""

    def address(self) -> tuple[str, int] | str:
        """Host and port, or the path of a socket: where the proxy finds it."""

    def url(self, port: int) -> str:
        """Where the service finds it: behind the proxy."""

    def pid(self) -> int | None: ...
    def processes(self) -> dict[str, int]:
        """Those of the harness's own, by name."""


class Redis:
    """A server of the harness's own that keeps nothing on disk."""

    name = "redis"
    returns = "empty"

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

    def revive(self) -> None:
        self.start()

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

    def fill(self) -> str:
        self._limit_memory("1mb")
        return "maxmemory 1mb, noeviction"

    def make_room(self) -> None:
        self._limit_memory("0")

    def _limit_memory(self, size: str) -> None:
        with self.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", size)

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

    def processes(self) -> dict[str, int]:
        return {} if self.popen is None else {"broker": self.popen.pid}


class RabbitMQ:
    """A vhost of the harness's own on a server that runs already; the server itself is left alone."""

    name = "rabbitmq"
    returns = "never gone"

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
        with rabbit.session(self._url(*self.address())) as connection:
            rabbit.empty(connection)

    def revive(self) -> None:
        """It is never gone."""

    def fill(self) -> None:
        """Its server is not the harness's own."""

    def make_room(self) -> None:
        """There is nothing to undo."""

    def address(self) -> tuple[str, int]:
        return (self._server.hostname or "127.0.0.1", self._server.port or 5672)

    def url(self, port: int) -> str:
        return self._url("127.0.0.1", port)

    def pid(self) -> int | None:
        return None

    def processes(self) -> dict[str, int]:
        return {}

    def _url(self, host: str | None, port: int) -> str:
        login = f"{self._server.username or 'guest'}:{self._server.password or 'guest'}"
        return urlunsplit(("amqp", f"{login}@{host}:{port}", f"/{quote(self._vhost, safe='')}", "", ""))


def make(name: str, folder: Path) -> Broker:
    """The broker of this name. Raises Missing."""
    if name == "redis":
        return Redis(folder)
    found = rabbit.programs()
    return rabbit.RabbitServer(folder, found) if found else RabbitMQ()


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
