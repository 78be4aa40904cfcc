"""A PostgreSQL of the harness's own, from `initdb` to its end, on a unix socket in the harness's folder."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from tests.chaos.errors import Missing

DATABASE = "chaos"
USER = "chaos"
START_SECONDS = 30.0
DISK_BYTES = 400 * 2**20
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "120",
    "shared_buffers": "64MB",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


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


class Postgres:
    """Keeps running until `stop`; `supervise` starts it again after any death."""

    def __init__(self, folder: Path) -> None:
        self.bin = binaries()
        self.folder = folder / "pg"
        self.log = folder / "postgres.log"
        self.popen: subprocess.Popen[bytes] | None = None
        self.has_small_disk = False
        self._owner = self._system_user()
        self._wanted = False

    @staticmethod
    def _system_user() -> str | None:
        """Whom to run it as: PostgreSQL refuses to run as root."""
        if os.getuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name).pw_name
        raise Missing("an OS user `postgres` or `nobody`, which PostgreSQL could run as")

    def create(self) -> None:
        """Make a new database cluster, on a small disk of its own where this process may mount one."""
        self.folder.mkdir(mode=0o755)
        self.has_small_disk = self._mount()
        if self._owner:
            shutil.chown(self.folder, self._owner)
        options = ["--auth=trust", f"--username={USER}", "--wal-segsize=1", "--no-sync", "--encoding=UTF8"]
        command = [str(self.bin / "initdb"), "-D", str(self.folder / "data"), *options, "--locale=C"]
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", **self._as_owner()
        )
        if answer.returncode:
            raise RuntimeError(f"initdb failed: {answer.stderr.strip()}")

    def _mount(self) -> bool:
        if os.getuid() != 0:
            return False
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "chaos", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _as_owner(self) -> dict[str, Any]:
        return (
            {"user": self._owner, "group": pwd.getpwnam(self._owner).pw_gid, "extra_groups": []}
            if self._owner
            else {}
        )

    def start(self) -> None:
        """Start the server; does not wait for it."""
        self._wanted = True
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [
            str(self.bin / "postgres"),
            "-D",
            str(self.folder / "data"),
            "-k",
            str(self.folder),
            *options,
        ]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                **self._as_owner(),
            )

    def create_database(self) -> None:
        with self.session("postgres") as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE}")

    def connect(self, database: str = DATABASE, seconds: float = START_SECONDS) -> Any:
        """A connection that no proxy disturbs, in autocommit; waits for a server that is starting."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection = psycopg2.connect(
                    host=str(self.folder),
                    user=USER,
                    dbname=database,
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
    def session(self, database: str = DATABASE) -> Iterator[Any]:
        """A cursor of an undisturbed connection, for one purpose."""
        connection = self.connect(database)
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def url(self, port: int) -> str:
        """Where the service finds it: behind the proxy."""
        return f"postgres://{USER}@127.0.0.1:{port}/{DATABASE}?sslmode=disable&gssencmode=disable"

    @property
    def socket(self) -> str:
        return str(self.folder / ".s.PGSQL.5432")

    def die_at_once(self) -> None:
        """What `pg_ctl stop -m immediate` does: no checkpoint, every connection cut, recovery at the next start."""
        self._wanted = False
        if self.popen is not None:
            self.popen.send_signal(signal.SIGQUIT)
            try:
                self.popen.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    def supervise(self) -> bool:
        """Start it again if it is to run and does not; whether it had to be."""
        if self._wanted and self.popen is not None and self.popen.poll() is not None:
            self.start()
            return True
        return False

    def stop(self) -> None:
        self.die_at_once()
        unmount(self.folder)

    def fill_disk(self) -> None:
        """Leave no byte on its disk. Only where it has a small one."""
        assert self.has_small_disk
        with contextlib.suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as filler:
            os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(self.folder).free)
            while filler.write(bytes(4096)):
                pass

    def free_disk(self) -> None:
        (self.folder / "filler").unlink(missing_ok=True)


def unmount(folder: Path) -> None:
    """Give the small disk back, if there is one."""
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
