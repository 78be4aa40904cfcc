"""Two projects with keys and people of every kind, made inside the service's environment."""

import json
import subprocess
from typing import Any

from launcher.layout import PROJECT_DIR, VENV_PYTHON
from tests.hostile.server import Web

PROGRAM = """
import json
from datetime import timedelta
import django
django.setup()
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from access_app import issuing
from access_app.audit import COMMAND
from access_app.models import Membership, Project
from access_app.principals import Scope

now, every = timezone.now(), [scope for scope in Scope if scope is not Scope.ADMIN]
one, other = (Project.objects.create(name=name) for name in ("one", "other"))

def key(project, scopes, **more):
    return issuing.create(project, "test", scopes, by=COMMAND, **more)

def session(name, project=None, scopes=""):
    user = get_user_model().objects.create_user(name, password=None)
    if project:
        Membership.objects.create(user=user, project=project, scopes=scopes)
    store = SessionStore()
    store[SESSION_KEY], store[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store.create()
    return store.session_key

revoked = key(one, every)
issuing.revoke(revoked.key.prefix, by=COMMAND)
made = {
    "one": key(one, every).text,
    "second": key(one, every).text,
    "admin of the other": key(other, list(Scope)).text,
    "other": key(other, every).text,
    "expired": key(one, every, expires_at=now - timedelta(seconds=1)).text,
    "revoked": revoked.text,
    "nothing": key(one, []).text,
    "reader": key(one, [Scope.TASKS_READ, Scope.SCHEDULES_READ]).text,
    "slow": key(one, every, requests_per_second=2).text,
    "member": session("member", one, " ".join(every)),
    "reading member": session("reading", one, "tasks:read schedules:read"),
    "stranger": session("stranger"),
}
print(json.dumps(made))
"""


def make(web: Web) -> dict[str, str]:
    """Whole keys and session ids, by what they are."""
    environ = {**web.service.environ, "DJANGO_SETTINGS_MODULE": "scheduler_service.settings.development"}
    command = [str(VENV_PYTHON), "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, cwd=PROJECT_DIR, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made
