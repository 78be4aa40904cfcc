"""Where things lie: the project's folders, and one data folder per running instance."""

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import LauncherError

PROJECT_DIR = Path(__file__).resolve().parent.parent
VENV_DIR = PROJECT_DIR / ".venv"
VENV_PYTHON = VENV_DIR / "bin" / "python"
REQUIREMENTS_DIR = PROJECT_DIR / "requirements"
EXAMPLE_BATCH = PROJECT_DIR / "create_tasks_in_batch_example.json"

# The kernel's limit is 108 bytes on Linux and 104 on macOS, with the final NUL.
SOCKET_PATH_LIMIT = 100


@dataclass(frozen=True)
class DataFolder:
    """One instance's files. The database, its empty lock file and Flower's password outlive a clean stop."""

    path: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "DataFolder":
        """The folder that SCHEDULER_DATA_DIR names (relative to the current folder), else `.data/`."""
        named = environ.get("SCHEDULER_DATA_DIR", "").strip()
        return cls(Path(named).absolute() if named else PROJECT_DIR / ".data")

    def create(self) -> None:
        """Make the folder, for its owner only: the database holds the admins' password hashes."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LauncherError(
                f"The data folder {self.path} cannot be made ({error.strerror}); "
                "name another with SCHEDULER_DATA_DIR."
            ) from None

    def flower_password(self) -> str:
        """Flower's password on this machine: made at the first start, kept in a file for its owner only."""
        path = self.path / "flower-password"
        if not path.exists():
            self.create()
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(12))
        return path.read_text()

    @property
    def lock(self) -> Path:
        return self.path / "run.lock"

    @property
    def children(self) -> Path:
        return self.path / "children.json"

    def empty_metrics(self) -> None:
        """Let all counters begin anew; only when no process of this folder runs."""
        shutil.rmtree(self.path / "metrics", ignore_errors=True)

    @property
    def demo_log(self) -> Path:
        return self.path / "demo.log"

    @property
    def socket(self) -> Path:
        """The embedded broker's socket: in the folder, or in a temporary one if that path is too long."""
        here = self.path / "broker.sock"
        return here if len(os.fsencode(here)) <= SOCKET_PATH_LIMIT else self._short_folder / "broker.sock"

    @property
    def _short_folder(self) -> Path:
        # The same name each time, so that an instance that was killed leaves nothing that adds up.
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"scheduler-{os.getuid()}-{digest}"

    def create_socket_folder(self) -> None:
        """Make the socket's folder if it is not the data folder.

        Raises LauncherError if somebody else owns it: they could listen in the broker's place.
        """
        folder = self.socket.parent
        if folder == self.path:
            return
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise LauncherError(
                f"{folder} is not a private folder of yours; remove it, or shorten SCHEDULER_DATA_DIR."
            )

    def remove_socket(self) -> None:
        """Remove what the embedded broker leaves behind."""
        self.socket.unlink(missing_ok=True)
        if self.socket.parent != self.path and self.socket.parent.is_dir():
            self.socket.parent.rmdir()
