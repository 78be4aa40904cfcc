"""Settings of django-q2: its ORM broker, and what its documentation offers for speed that keeps results."""

import os
from urllib.parse import urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = "only-for-the-bench"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_q"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path.lstrip("/"),
        "USER": _url.username,
        "HOST": _url.hostname,
        "PORT": _url.port,
        # Its best: without this it opens a connection per task.
        "CONN_MAX_AGE": 600,
    }
}
Q_CLUSTER = {
    "name": "bench",
    "orm": "default",
    "workers": 2,
    "bulk": 500,
    "queue_limit": 1_000,
    "recycle": 1_000_000,
    "save_limit": 0,  # every result is kept; a limit counts and locks the kept ones for each task
    "timeout": 300,
    "retry": 600,
    "poll": 0.05,
    "log_level": "WARNING",
}
