"""The peers' environments: a venv and an npm folder of their own, never the project's."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# The newest of each that could be had when the bench was written; of pg-boss, the newest that Node 20 runs.
PYTHON = {
    "celery": (
        "celery==5.7.0",
        "redis==8.1.0",
        "packaging==26.3",  # kombu wants it for Redis, and only its extra says so
        "django==5.2.19",
        "djangorestframework==3.18.3",
        "gunicorn==27.0.1",
        "psycopg2-binary==2.9.13",
        "django-celery-results==2.6.0",
        "django-celery-beat==2.9.0",
    ),
    "procrastinate": ("procrastinate==3.10.0", "psycopg[binary]==3.3.9"),
    "pgqueuer": ("pgqueuer==1.6.0", "asyncpg==0.32.0"),
    "django-q2": (
        "django-q2==1.11.1",
        "django-picklefield==3.4.0",
        "django==5.2.19",
        "psycopg2-binary==2.9.13",
    ),
    "apscheduler": ("apscheduler==3.11.3", "sqlalchemy==2.1.9", "psycopg2-binary==2.9.13"),
}
NODE = {"graphile-worker": "0.17.3", "pg-boss": "10.4.2"}


class NotInstalled(Exception):
    """A peer cannot run here; says why."""


class Peers:
    """Installs a peer when it is first asked for; asked again, it remembers how that went."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._failures: dict[str, str] = {}
        self._stamp = folder / "installed.json"

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def node_modules(self) -> Path:
        return self.folder / "npm" / "node_modules"

    def need(self, name: str) -> None:
        """Make sure that a peer is there. Raises NotInstalled."""
        wanted = list(PYTHON[name]) if name in PYTHON else [f"{name}@{NODE[name]}"]
        if name in self._failures:
            raise NotInstalled(self._failures[name])
        if self.installed().get(name) == wanted:
            return
        print(f"Installing {', '.join(wanted)} …", flush=True)
        try:
            self._python(wanted) if name in PYTHON else self._node(wanted)
        except (NotInstalled, OSError, subprocess.TimeoutExpired) as error:
            self._failures[name] = f"{name} could not be installed: {error}"
            raise NotInstalled(self._failures[name]) from None
        self._stamp.write_text(json.dumps({**self.installed(), name: wanted}))

    def installed(self) -> dict[str, list[str]]:
        """What is there: the packages with their versions, by peer."""
        try:
            return dict(json.loads(self._stamp.read_text()))
        except (OSError, ValueError):
            return {}

    def _python(self, wanted: Sequence[str]) -> None:
        if not self.python.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            _call([sys.executable, "-m", "venv", str(self.folder / "venv")])
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
        _call([str(self.python), "-m", "pip", "install", *quiet, *wanted])

    def _node(self, wanted: Sequence[str]) -> None:
        npm = shutil.which("npm")
        if not npm or not shutil.which("node"):
            raise NotInstalled("there is no node or no npm on the PATH")
        self.node_modules.parent.mkdir(parents=True, exist_ok=True)
        where = ["--prefix", str(self.node_modules.parent), "--no-audit", "--no-fund"]
        _call([npm, "install", *where, *wanted])


def _call(command: Sequence[str]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if answer.returncode:
        said = [line for line in answer.stderr.splitlines() if "error" in line.lower()]
        raise NotInstalled((said or ["no reason given"])[-1].strip()[:200])
