"""The bench's own PostgreSQL on loopback, as durable as in production. Its Redis is the chaos harness's."""

from pathlib import Path

from launcher.processes import LOOPBACK
from tests.chaos.pgserver import Server

USER = DATABASE = "bench"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "max_connections": "200",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "min_wal_size": "1GB",  # a server that has run for a while has its log's files already
    "checkpoint_timeout": "15min",  # every measurement begins behind a checkpoint; none strikes inside of one
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
LENT_BYTES = 2**31
"""From this size on a prepared database is lent, since a copy for each measurement would take longer than that."""


class Postgres(Server):
    """On the real disk, with settings of a small production server."""

    user, database, settings = USER, DATABASE, SETTINGS

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self._lent: str | None = None

    def fresh(self, template: str | None = None) -> None:
        """Give every contestant the same: a new database, made from a prepared one; a large one itself."""
        with self.session("postgres") as cursor:
            if self._lent:
                self._rename(DATABASE, self._lent)
                self._lent = None
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            if template and self._bytes(template) > LENT_BYTES:
                self._rename(template, DATABASE)
                self._lent = template
            else:
                cursor.execute(f"CREATE DATABASE {DATABASE} {f'TEMPLATE {template}' if template else ''}")

    def keep_as(self, template: str) -> None:
        """Keep the database under another name, for `fresh`."""
        if self._bytes(DATABASE) > LENT_BYTES:
            self._lent = template
            return
        with self.session("postgres") as cursor:
            cursor.execute(f"CREATE DATABASE {template} TEMPLATE {DATABASE}")

    def _bytes(self, database: str) -> int:
        with self.session("postgres") as cursor:
            cursor.execute("SELECT pg_database_size(%s)", (database,))
            return int(cursor.fetchone()[0])

    def _rename(self, old: str, new: str) -> None:
        with self.session("postgres") as cursor:
            # A process that has just ended may leave its connection for a moment; autovacuum may be at work.
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (old,)
            )
            cursor.execute(f"ALTER DATABASE {old} RENAME TO {new}")

    def settle(self) -> None:
        """Statistics and a checkpoint: what was prepared costs nothing during the measurement."""
        with self.session() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")

    def url(self, port: int | None = None) -> str:
        return f"postgres://{USER}@{LOOPBACK}:{port or self.port}/{DATABASE}"
