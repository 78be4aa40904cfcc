"""`run.py check`: everything that can be said about the code without running its tests."""

import os
import secrets
import subprocess
import tempfile

from launcher import environment
from launcher.layout import PROJECT_DIR, VENV_PYTHON

DEVELOPMENT = {"DJANGO_SETTINGS_MODULE": "scheduler_service.settings.development"}
PACKAGES = (
    "scheduler_service",
    "access_app",
    "tasks_app",
    "schedules_app",
    "launcher",
    "run.py",
    "manage.py",
)


def production(folder: str) -> dict[str, str]:
    """Production settings that start: a check must not need a deployment's secrets."""
    return {
        "DJANGO_SETTINGS_MODULE": "scheduler_service.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "scheduler.example.org",
        "SCHEDULER_DATA_DIR": folder,
    }


def checks(folder: str) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Each check's command (arguments of Python) and variables, by its title."""
    return {
        "format": (["-m", "ruff", "format", "--check", "."], {}),
        "lint": (["-m", "ruff", "check", "."], {}),
        "types": (["-m", "mypy", *PACKAGES], {}),
        "migrations": (["manage.py", "makemigrations", "--check", "--dry-run"], DEVELOPMENT),
        "production settings": (
            ["manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            production(folder),
        ),
    }


def main() -> int:
    """Run every check, also after a failure; returns 1 if one failed."""
    environment.prepare("dev")
    with tempfile.TemporaryDirectory(prefix="scheduler-check-") as folder:
        base = {**os.environ, "SCHEDULER_DATA_DIR": folder, "DATABASE_URL": "", "CELERY_BROKER_URL": ""}
        failed = [
            title
            for title, (command, variables) in checks(folder).items()
            if not _passes(title, command, {**base, **variables})
        ]
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.", flush=True)
    return 1 if failed else 0


def _passes(title: str, command: list[str], environ: dict[str, str]) -> bool:
    print(f"=== {title}", flush=True)
    full = [str(VENV_PYTHON), *command]
    return subprocess.run(full, cwd=PROJECT_DIR, env=environ, check=False).returncode == 0
