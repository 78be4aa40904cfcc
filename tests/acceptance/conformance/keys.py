"""Keys of a live service: one that may do everything, one of another project, and those that may not."""

import json
import subprocess
from dataclasses import dataclass

from launcher.layout import PROJECT_DIR, VENV_PYTHON
from tests.acceptance.service import Service

_MAKE = """
import io, json
from datetime import timedelta
from django.core.management import call_command
from django.utils import timezone
from access_app.models import ApiKey

def apikey(*arguments):
    told = io.StringIO()
    call_command("apikey", *arguments, stdout=told, stderr=io.StringIO())
    return told.getvalue().strip()

def make(project, scopes):
    return apikey("create", "conformance", f"--project={project}", "--create-project", f"--scopes={','.join(scopes)}")

def prefix(key):
    return key.partition(".")[0]

every = ["tasks:read", "tasks:write", "schedules:read", "schedules:write"]
expired, revoked, rotated = (make("first", every) for _ in range(3))
# The command makes no key that has expired.
ApiKey.objects.filter(prefix=prefix(expired)).update(expires_at=timezone.now() - timedelta(seconds=1))
apikey("revoke", prefix(revoked))
apikey("rotate", prefix(rotated), "--overlap=0")
print(json.dumps({
    "first": make("first", ["admin"]),
    "second": make("second", ["admin"]),
    "without": {scope: make("first", [one for one in every if one != scope]) for scope in [*every, "admin"]},
    "refused": {"expired": expired, "revoked": revoked, "rotated": rotated},
}))
"""


@dataclass(frozen=True)
class Keys:
    """As they are shown: prefix and secret.

    `first` and `second` may do everything, in two projects. `without` has, by each scope, a key that has all others but
    `admin`. `refused` has keys that open nothing (any more), by the reason.
    """

    first: str
    second: str
    without: dict[str, str]
    refused: dict[str, str]

    @classmethod
    def made(cls, service: Service) -> "Keys":
        command = [str(VENV_PYTHON), "manage.py", "shell", "--no-imports", "--command", _MAKE]
        done = subprocess.run(
            command, cwd=PROJECT_DIR, env=service.environ, stdout=subprocess.PIPE, text=True, check=True
        )
        made = json.loads(done.stdout)
        prefix, _, secret = made["first"].partition(".")
        made["refused"] |= {
            "misspelled": f"{prefix}.{secret[:-1]}",
            "unknown": f"key_{'0' * 12}.{secret}",
            "of another": f"{prefix}.{made['second'].partition('.')[2]}",
        }
        return cls(**made)
