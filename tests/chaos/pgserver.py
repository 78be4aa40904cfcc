"""A PostgreSQL server in a folder of its own, from `initdb` to its end: what the chaos harness and the bench share."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2

from tests.chaos.errors import Missing

START_SECONDS = 30.0


def binaries() -> Path:
    """The folder of `initdb` and `postgres`, the newest version's. Raises Missing."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    for folder in [*folders, *([Path(on_path).resolve().parent] if on_path else [])]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Missing(
        "PostgreSQL's server binaries (initdb, postgres): neither below /usr/lib/postgresql nor on the PATH"
    )


def system_user() -> str | None:
    """Whom to run it as: PostgreSQL refuses to run as root. None: this user. Raises Missing."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise Missing("an OS user `postgres` or `nobody`, which PostgreSQL could run as")


class Server:
    """One server; its socket, data and log lie in the folder.

    Attributes:
        settings: of the server, by name.
        user: its superuser, who needs no password.
        database: which one `connect` and `session` mean unless told.
        port: None: it listens on its socket only.
    """

    user: str
    database: str
    settings: Mapping[str, str]

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.bin = binaries()
        self.folder = folder / "pg"
        self.log = folder / "postgres.log"
        self.port = port
        self.popen: subprocess.Popen[bytes] | None = None
        self._owner = system_user()

    def create(self) -> None:
        """Make a new database cluster."""
        self.folder.mkdir(mode=0o755, exist_ok=True)
        if self._owner:
            shutil.chown(self.folder, self._owner)
        options = ["--auth=trust", f"--username={self.user}", "--no-sync", "--encoding=UTF8", "--locale=C"]
        command = [
            str(self.bin / "initdb"),
            "-D",
            str(self.folder / "data"),
            *options,
            *self.initdb_options(),
        ]
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", **self._as_owner()
        )
        if answer.returncode:
            raise RuntimeError(f"initdb failed: {answer.stderr.strip()}")

    def initdb_options(self) -> tuple[str, ...]:
        """What else `initdb` is told."""
        return ()

    def _as_owner(self) -> dict[str, Any]:
        return (
            {"user": self._owner, "group": pwd.getpwnam(self._owner).pw_gid, "extra_groups": []}
            if self._owner
            else {}
        )

    def start(self) -> None:
        """Start the server; does not wait for it."""
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        where = ["-D", str(self.folder / "data"), "-k", str(self.folder)]
        port = ["-p", str(self.port)] if self.port else []
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [str(self.bin / "postgres"), *where, *port, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                **self._as_owner(),
            )

    def connect(self, database: str | None = None, seconds: float = START_SECONDS) -> Any:
        """A connection over its socket, in autocommit; waits for a server that is starting."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection = psycopg2.connect(
                    host=str(self.folder),
                    port=self.port or 5432,
                    user=self.user,
                    dbname=database or self.database,
                    connect_timeout=5,
                    application_name="harness",
                )
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                connection.autocommit = True
                return connection

    @contextlib.contextmanager
    def session(self, database: str | None = None) -> Iterator[Any]:
        """A cursor of a connection of its own, for one purpose."""
        connection = self.connect(database)
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def die_at_once(self) -> None:
        """What `pg_ctl stop -m immediate` does: no checkpoint, every connection cut, recovery at the next start."""
        if self.popen is not None:
            self.popen.send_signal(signal.SIGQUIT)
            try:
                self.popen.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    def stop(self) -> None:
        """End it, without a checkpoint: nothing of it is kept."""
        self.die_at_once()
