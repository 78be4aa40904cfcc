"""The bench's own PostgreSQL on loopback, as durable as in production. Its Redis is the chaos harness's."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from launcher.processes import LOOPBACK
from tests.chaos import postgres

USER = postgres.USER
DATABASE = "bench"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "max_connections": "200",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",  # every measurement begins behind a checkpoint; none strikes inside of one
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


class Postgres(postgres.Postgres):
    """On the real disk, with settings of a small production server."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self.port = port

    def _mount(self) -> bool:
        return False  # the chaos harness's small disk lies in memory: its fsync would cost nothing

    def start(self) -> None:
        """Start the server; does not wait for it."""
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        where = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port)]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [str(self.bin / "postgres"), *where, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                **self._as_owner(),
            )

    def fresh(self, template: str | None = None) -> None:
        """Give every contestant the same: a new database, made from a prepared one."""
        with self.session("postgres") as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {DATABASE} {f'TEMPLATE {template}' if template else ''}")

    def keep_as(self, template: str) -> None:
        """Keep the database under another name, for `fresh`."""
        with self.session("postgres") as cursor:
            cursor.execute(f"CREATE DATABASE {template} TEMPLATE {DATABASE}")

    def settle(self) -> None:
        """Statistics and a checkpoint: what was prepared costs nothing during the measurement."""
        with self.session(DATABASE) as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")

    def connect(self, database: str = DATABASE, seconds: float = postgres.START_SECONDS) -> Any:
        """A connection in autocommit; waits for a server that is starting."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection = psycopg2.connect(host=LOOPBACK, port=self.port, user=USER, dbname=database)
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                connection.autocommit = True
                return connection

    @contextlib.contextmanager
    def session(self, database: str = DATABASE) -> Iterator[Any]:
        """A cursor of a connection of its own, for one purpose."""
        connection = self.connect(database)
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def url(self, port: int | None = None) -> str:
        return f"postgres://{USER}@{LOOPBACK}:{port or self.port}/{DATABASE}"
