"""Settings of the standard peer. BENCH_RESULTS and BENCH_CONN_MAX_AGE choose between its two ways."""

import os
from urllib.parse import urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = "only-for-the-bench"
ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "bench.peers.standard.urls"
WSGI_APPLICATION = "bench.peers.standard.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "rest_framework",
    "django_celery_results",
    "django_celery_beat",
    "bench.peers.standard.apps.StandardConfig",
]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path.lstrip("/"),
        "USER": _url.username,
        "HOST": _url.hostname,
        "PORT": _url.port,
        "CONN_MAX_AGE": int(os.environ.get("BENCH_CONN_MAX_AGE", "600")),
    }
}
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}

CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_RESULT_BACKEND = "django-db" if os.environ.get("BENCH_RESULTS", "1") == "1" else None
CELERY_TASK_IGNORE_RESULT = CELERY_RESULT_BACKEND is None
# Its best: without this Celery opens a database connection per task.
CELERY_DB_REUSE_MAX = 100_000
CELERY_WORKER_PREFETCH_MULTIPLIER = 32
CELERY_TASK_SERIALIZER = "json"
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
