"""`.venv` with exactly the locked requirements; a second start installs nothing."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from launcher.errors import LauncherError
from launcher.indexes import uv_environment
from launcher.layout import PROJECT_DIR, REQUIREMENTS_DIR, VENV_DIR, VENV_PYTHON

OLDEST_PYTHON = (3, 11)
# `pip --python`, which lets one Python's pip serve another environment, came with 22.3.
OLDEST_BORROWED_PIP = (22, 3)
# Installing the first makes the second complete too.
INCLUDES = {"dev": ("embedded",), "embedded": ()}

NO_INSTALLER = """\
This Python has no pip, and `uv` is not on the PATH, so nothing can be installed into .venv.
Install one of them and start again: uv, or pip (Debian and Ubuntu: `apt install python3-venv`;
Fedora: `dnf install python3-pip`; elsewhere: `python3 -m ensurepip`)."""


def prepare(requirements: str) -> Path:
    """Make `.venv` hold what `requirements/<requirements>.lock` lists, and return its Python.

    Raises LauncherError if it cannot be made or filled.
    """
    with _exclusive():
        if not _is_usable():
            _create()
        if _stamps().get(requirements) != _digest(requirements):
            _install(requirements)
    return VENV_PYTHON


@contextmanager
def _exclusive() -> Iterator[None]:
    # A lock on the folder itself: two starts never install at once, and no lock file is left.
    descriptor = os.open(PROJECT_DIR, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_usable() -> bool:
    # A .venv may outlive the Python it was made from.
    question = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    return _succeeds([str(VENV_PYTHON), "-c", question])


def _create() -> None:
    print(f"Making {VENV_DIR.name} with Python {sys.version.split()[0]} …", flush=True)
    base = [sys.executable, "-m", "venv"]
    attempts = [[*base, str(VENV_DIR)], [*base, "--without-pip", str(VENV_DIR)]]
    uv = shutil.which("uv")
    if uv:
        attempts.insert(0, [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(VENV_DIR)])
    for command in attempts:
        if VENV_DIR.exists():
            shutil.rmtree(VENV_DIR)
        if _succeeds(command) and _is_usable():
            return
    raise LauncherError(
        f"{VENV_DIR} cannot be made by {sys.executable} (Debian and Ubuntu: apt install python3-venv)."
    )


def _install(requirements: str) -> None:
    installers = _installers()
    if not installers:
        raise LauncherError(NO_INSTALLER)
    lock = REQUIREMENTS_DIR / f"{requirements}.lock"
    _stamp_path().unlink(missing_ok=True)
    for name, command, environ in installers:
        print(f"Installing {lock.relative_to(PROJECT_DIR)} with {name} …", flush=True)
        full = [*command, "--require-hashes", "-r", str(lock)]
        if subprocess.run(full, cwd=PROJECT_DIR, env=environ, check=False).returncode == 0:
            _stamp(requirements)
            return
    raise LauncherError(
        f"{lock} could not be installed; the reason stands above. Is the package index reachable?"
    )


def _installers() -> list[tuple[str, list[str], dict[str, str]]]:
    """What can install into `.venv`, best first: (name, command, environment)."""
    found = []
    uv = shutil.which("uv")
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", str(VENV_PYTHON)]
        found.append(("uv", command, uv_environment(os.environ)))
    pip = _pip()
    if pip:
        options = ["install", "--quiet", "--no-input", "--disable-pip-version-check"]
        found.append(("pip", [*pip, *options], dict(os.environ)))
    return found


def _pip() -> list[str] | None:
    own = [str(VENV_PYTHON), "-m", "pip"]
    if _succeeds([*own, "--version"]):
        return own
    borrowed = [sys.executable, "-m", "pip"]
    return [*borrowed, "--python", str(VENV_PYTHON)] if _version(borrowed) >= OLDEST_BORROWED_PIP else None


def _version(pip: Sequence[str]) -> tuple[int, ...]:
    answer = subprocess.run([*pip, "--version"], capture_output=True, text=True, check=False)
    words = answer.stdout.split()
    numbers = words[1].split(".")[:2] if answer.returncode == 0 and len(words) > 1 else []
    return tuple(int(number) for number in numbers if number.isdigit())


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _stamp_path() -> Path:
    return VENV_DIR / ".installed.json"


def _digest(requirements: str) -> str:
    return hashlib.sha256((REQUIREMENTS_DIR / f"{requirements}.lock").read_bytes()).hexdigest()


def _stamps() -> dict[str, str]:
    with suppress(OSError, ValueError):
        return dict(json.loads(_stamp_path().read_text()))
    return {}


def _stamp(requirements: str) -> None:
    names = (requirements, *INCLUDES[requirements])
    _stamp_path().write_text(json.dumps({name: _digest(name) for name in names}))
