"""A PostgreSQL of the harness's own, on a unix socket in the harness's folder; a dead one is started again."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.chaos.pgserver import Server

DATABASE = "chaos"
USER = "chaos"
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


class Postgres(Server):
    """Keeps running until `stop`; `supervise` starts it again after any death."""

    user, database, settings = USER, DATABASE, SETTINGS

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.has_small_disk = False
        self._wanted = False

    def create(self) -> None:
        """Make a new database cluster, on a small disk of its own where this process may mount one."""
        self.folder.mkdir(mode=0o755)
        self.has_small_disk = self._mount()
        super().create()

    def initdb_options(self) -> tuple[str, ...]:
        """Small files of its log, so that they fit onto the small disk."""
        return ("--wal-segsize=1",)

    def _mount(self) -> bool:
        if os.getuid() != 0:
            return False
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "chaos", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def start(self) -> None:
        """Start the server; does not wait for it."""
        self._wanted = True
        super().start()

    def create_database(self) -> None:
        with self.session("postgres") as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE}")

    def url(self, port: int) -> str:
        """Where the service finds it: behind the proxy."""
        return f"postgres://{USER}@127.0.0.1:{port}/{DATABASE}?sslmode=disable&gssencmode=disable"

    @property
    def socket(self) -> str:
        return str(self.folder / ".s.PGSQL.5432")

    def die_at_once(self) -> None:
        """See Server; it is not started again."""
        self._wanted = False
        super().die_at_once()

    def supervise(self) -> bool:
        """Start it again if it is to run and does not; whether it had to be."""
        if self._wanted and self.popen is not None and self.popen.poll() is not None:
            self.start()
            return True
        return False

    def stop(self) -> None:
        """End it, and give its disk back."""
        super().stop()
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
