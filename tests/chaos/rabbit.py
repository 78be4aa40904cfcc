"""A RabbitMQ of the harness's own: node, tables, cookie and logs in the harness's folder, ports and epmd of its own.

So it can be killed, frozen and filled up, and never meets a RabbitMQ or an epmd that runs on the machine already.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import kombu

from launcher.processes import Process
from launcher.supervisor import spawn
from tests.chaos.ports import LOOPBACK, free_port, is_open

# The one on the PATH is often a wrapper that insists on a user.
PLACES = (Path("/usr/lib/rabbitmq/bin"), Path("/opt/rabbitmq/sbin"))
START_SECONDS = 60.0
PATIENCE_SECONDS = 2.0
CONTROL_SECONDS = 15.0
QUEUES = ("tasks", "scheduler")
FILES = ("CONFIG", "ADVANCED_CONFIG", "CONF_ENV", "ENABLED_PLUGINS", "PID")
LIMITS = {"full": ("absolute", "1MB"), "normal": ("0.4",)}
"""What `rabbitmqctl set_vm_memory_high_watermark` is told: above the mark, publishers are blocked."""


@dataclass(frozen=True)
class Programs:
    """What such a server is made of."""

    server: Path
    control: Path
    epmd: Path


def programs() -> Programs | None:
    """Those of this machine, if it has them all."""
    on_path = shutil.which("rabbitmq-server")
    folders = [*PLACES, *([Path(on_path).resolve().parent] if on_path else [])]
    epmd = shutil.which("epmd")
    for folder in folders:
        found = folder / "rabbitmq-server", folder / "rabbitmqctl"
        if epmd and all(program.exists() for program in found):
            return Programs(*found, Path(epmd))
    return None


@contextlib.contextmanager
def session(url: str, **options: float) -> Iterator[kombu.Connection]:
    """A connection that no proxy disturbs. Raises RuntimeError for whatever goes wrong with it."""
    options |= {"read_timeout": PATIENCE_SECONDS, "write_timeout": PATIENCE_SECONDS}
    connection = kombu.Connection(url, connect_timeout=PATIENCE_SECONDS, transport_options=options)
    try:
        with connection:
            yield connection
    except (*connection.connection_errors, *connection.channel_errors) as error:
        raise RuntimeError(f"RabbitMQ: {error!r}") from None


def empty(connection: kombu.Connection) -> None:
    """Lose every message, with the queues."""
    for name in QUEUES:
        kombu.Queue(name)(connection.channel()).delete()


class RabbitServer:
    """Keeps running until `stop`; what it had on disk is there again after the next start."""

    name = "rabbitmq"
    returns = "with what it had on disk"

    def __init__(self, folder: Path, found: Programs) -> None:
        self.folder = folder / "rabbitmq"
        self.popen: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._programs = found
        self._wanted = False
        self._port, self._epmd_port = free_port(), free_port()
        self._environ = self._variables()

    def start(self) -> None:
        """Start it and wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.revive()
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def revive(self) -> None:
        """Start it if it does not run. Raises RuntimeError as long as it does not answer, which takes seconds."""
        self._wanted = True
        if self.pid() is None:
            self._launch()
        with session(self.url(self._port)) as connection:
            connection.connect()

    def stop(self) -> None:
        """End it at once."""
        self._wanted = False
        for popen in (self.popen, self._epmd):
            if popen is not None:
                popen.send_signal(signal.SIGKILL)
                popen.wait()

    def supervise(self) -> bool:
        if self._wanted and self.pid() is None:
            self._launch()
            return True
        return False

    def forget(self) -> None:
        with session(self.url(self._port)) as connection:
            empty(connection)

    def settle(self) -> None:
        """Have its tables on disk: with mnesia, one queue in 25 declared just before a kill is gone after it."""
        self._control("eval", "catch mnesia:sync_log().")

    def fill(self) -> str:
        self._set_limit("full")
        return "memory alarm: publishers are blocked"

    def make_room(self) -> None:
        self._set_limit("normal")

    def address(self) -> tuple[str, int]:
        return (LOOPBACK, self._port)

    def url(self, port: int) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{port}//"

    def pid(self) -> int | None:
        return self.popen.pid if self.popen is not None and self.popen.poll() is None else None

    def processes(self) -> dict[str, int]:
        both = {"broker": self.popen, "epmd": self._epmd}
        return {name: popen.pid for name, popen in both.items() if popen is not None}

    def _launch(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if self._epmd is None or self._epmd.poll() is not None:
            # Before the server, which would start one of its own that outlives it.
            command = (str(self._programs.epmd), "-port", str(self._epmd_port), "-address", LOOPBACK)
            self._epmd = self._spawn("epmd", command)
            self._wait_for_epmd()
        self.popen = self._spawn("rabbitmq", (str(self._programs.server),))

    def _spawn(self, name: str, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        with (self.folder.parent / f"{name}.log").open("ab") as log:
            return spawn(Process(name, command, orphan_signal=signal.SIGKILL), self._environ, log)

    def _wait_for_epmd(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_open(self._epmd_port):
            if time.monotonic() > deadline:
                raise RuntimeError("epmd does not answer")
            time.sleep(0.02)

    def _set_limit(self, name: str) -> None:
        self._control("set_vm_memory_high_watermark", *LIMITS[name])

    def _control(self, *words: str) -> None:
        command = [str(self._programs.control), *words]
        try:
            subprocess.run(
                command, env=self._environ, capture_output=True, check=True, timeout=CONTROL_SECONDS
            )
        except subprocess.SubprocessError as error:
            raise RuntimeError(f"rabbitmqctl: {error}") from None

    def _variables(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
        ours = {
            "NODENAME": f"chaos-{secrets.token_hex(4)}@localhost",
            "NODE_PORT": str(self._port),
            "NODE_IP_ADDRESS": LOOPBACK,
            "DIST_PORT": str(free_port()),
            "LOGS": "-",
            # None of the machine's configuration and plugins.
            **{f"{name}_BASE": str(self.folder / name.lower()) for name in ("MNESIA", "LOG")},
            **{f"{name}_FILE": str(self.folder / name.lower()) for name in FILES},
        }
        return {
            **kept,
            **{f"RABBITMQ_{name}": value for name, value in ours.items()},
            "HOME": str(self.folder),  # the cookie lies there
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_FLAGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_CRASH_DUMP_SECONDS": "0",
            # The script becomes the server then, rather than its parent: signals reach the right one.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
