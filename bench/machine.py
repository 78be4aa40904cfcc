"""What a figure depends on and the code does not say: the machine, the versions, the commit."""

import os
import platform
import subprocess
from importlib.metadata import version
from typing import Any

from bench.stage import Stage
from launcher.layout import PROJECT_DIR


def describe(stage: Stage) -> dict[str, Any]:
    """Facts for the record; nothing that would tell one machine of a size from another."""
    with stage.postgres.session("postgres") as cursor:
        cursor.execute("SHOW server_version")
        postgres = cursor.fetchone()[0].split()[0]
    with stage.redis.client() as client:
        redis = client.info("server")["redis_version"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "system": platform.system(),
        "python": platform.python_version(),
        "postgresql": postgres,
        "redis": redis,
        "node": _said("node", "--version").removeprefix("v"),
        "celery": version("celery"),
        "django": version("django"),
    }


def commit() -> str:
    """The short name of the commit, with a `+` if files were changed."""
    name = _said("git", "rev-parse", "--short", "HEAD") or "unknown"
    return f"{name}+" if _said("git", "status", "--porcelain", "--untracked-files=no") else name


def _said(*command: str) -> str:
    try:
        answer = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return answer.stdout.strip()
