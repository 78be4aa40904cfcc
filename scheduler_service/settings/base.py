"""Settings that every environment shares. Values come from `scheduler_service.config`, never from here."""

import os
import sys
from pathlib import Path
from typing import Any

import dj_database_url

from scheduler_service import broker, logs, telemetry
from scheduler_service import config as configuration

try:
    CONFIG = configuration.load()
    telemetry.check(CONFIG)
except configuration.ConfigurationError as error:
    # A traceback would bury the one line that matters.
    sys.exit(str(error))

BASE_DIR = configuration.PROJECT_DIR
DATA_DIR = CONFIG.scheduler_data_dir.resolve()

METRICS_DIR = Path(CONFIG.metrics_dir).resolve() if CONFIG.metrics_dir else DATA_DIR / "metrics"
# Without a token nobody reads them, but on a developer's machine.
METRICS_ARE_OPEN = False

SECRET_KEY = CONFIG.secret_key
DEBUG = False
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(CONFIG.csrf_trusted_origins)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_filters",
    "rest_framework",
    "drf_standardized_errors",
    "drf_yasg",
    "scheduler_service",
    "access_app",
    "tasks_app",
    "schedules_app",
    *CONFIG.extra_apps,
]

MIDDLEWARE = [
    "scheduler_service.request_ids.RequestIdMiddleware",
    "scheduler_service.metrics.middleware.MetricsMiddleware",
    "scheduler_service.headers.HeadersMiddleware",
    "scheduler_service.errors.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# Where too many logins have failed, the first one refuses for both.
AUTHENTICATION_BACKENDS = [
    "access_app.logins.TooManyLogins",
    "django.contrib.auth.backends.ModelBackend",
]
SESSION_ENGINE = "access_app.sessions"
API_KEYS_REQUIRED = bool(CONFIG.api_keys_required)
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "swagger"

ROOT_URLCONF = "scheduler_service.urls"
WSGI_APPLICATION = "scheduler_service.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

SQLITE_OPTIONS: dict[str, Any] = {
    # IMMEDIATE: a transaction that reads first and writes later would otherwise fail with "database is locked"
    # at once, without waiting for the timeout.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;",
}
POSTGRES_OPTIONS: dict[str, Any] = {
    "application_name": "scheduler_service",
    "connect_timeout": 5,
    # A forgotten open transaction would keep vacuum from the hot rows, and bloat the task table.
    "options": "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC",
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def _database() -> dict[str, Any]:
    if not CONFIG.database_url:
        DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = CONFIG.database_url or f"sqlite:///{DATA_DIR / 'scheduler.sqlite3'}"
    database: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=600, conn_health_checks=True))
    is_sqlite = database["ENGINE"].endswith("sqlite3")
    if is_sqlite:
        # Tests that race two connections need a file: the connections of an in-memory database share one cache.
        database["TEST"] = {"NAME": str(DATA_DIR / f"test-{os.getpid()}.sqlite3")}
    elif database["ENGINE"] == "django.db.backends.postgresql":
        database["ENGINE"] = "scheduler_service.postgresql"
    database["OPTIONS"] = {
        **(SQLITE_OPTIONS if is_sqlite else POSTGRES_OPTIONS),
        **database.get("OPTIONS", {}),
    }
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
APPEND_SLASH = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# Of forms: the login, the admin. The JSON parser holds requests to CONFIG.max_body_bytes itself, and answers 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["scheduler_service.json.StrictJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["scheduler_service.json.StrictJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["access_app.authentication.Authentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "access_app.permissions.WithinRate",
        "access_app.permissions.HasScope",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "scheduler_service.negotiation.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "rest_framework.schemas.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_FORMATTER_CLASS": "scheduler_service.errors.ProblemFormatter",
    "EXCEPTION_HANDLER_CLASS": "scheduler_service.errors.ProblemHandler",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
    "NESTED_FIELD_SEPARATOR": "/",
}
SWAGGER_SETTINGS = {
    "USE_SESSION_AUTH": True,
    "LOGIN_URL": "login",
    "LOGOUT_URL": "logout",
    "SECURITY_DEFINITIONS": {
        "key": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Bearer key_….…`: the word Bearer, a space, and a key.",
        }
    },
    "VALIDATOR_URL": None,
    "DEFAULT_INFO": "scheduler_service.swagger.INFO",
    "DEFAULT_AUTO_SCHEMA_CLASS": "scheduler_service.swagger.ProblemAwareSchema",
    "DEFAULT_GENERATOR_CLASS": "scheduler_service.client_ready.ClientReadyGenerator",
    "DEFAULT_FIELD_INSPECTORS": [
        "scheduler_service.client_ready.ClientReadyInspector",
        "drf_yasg.inspectors.ReferencingSerializerInspector",
        "drf_yasg.inspectors.ChoiceFieldInspector",
        "drf_yasg.inspectors.DictFieldInspector",
        "drf_yasg.inspectors.JSONFieldInspector",
        "drf_yasg.inspectors.SerializerMethodFieldInspector",
        "drf_yasg.inspectors.SimpleFieldInspector",
        "drf_yasg.inspectors.StringDefaultFieldInspector",
    ],
}
SWAGGER_USE_COMPAT_RENDERERS = False

LOGGING = logs.configuration(CONFIG, default_format="text")

# --- Celery (read by scheduler_service.celery under the CELERY_ prefix) ------------------------------------

# The fix-up closes the database connection after every Celery task unless this is set (celery #10554).
CELERY_DB_REUSE_MAX = 10_000

CELERY_BROKER_URL = CONFIG.celery_broker_url or f"redis+socket://{DATA_DIR / 'broker.sock'}"
if not CONFIG.has_broker:
    CELERY_BROKER_URL = "memory://"  # Celery needs one to be set up; nothing is ever sent to it
CELERY_BROKER_TRANSPORT_OPTIONS = broker.transport_options(CELERY_BROKER_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = 2
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
# Acknowledge early: the row's lease, not the message, is what survives a crash.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_POOL = "prefork"
CELERY_WORKER_CONSUMER = "scheduler_service.consumer:PromptConsumer"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = not broker.is_amqp(CELERY_BROKER_URL)
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_TASK_TIME_LIMIT = CONFIG.max_timeout_seconds + CONFIG.timeout_grace_seconds + CONFIG.drain_seconds + 60
CELERY_WORKER_SEND_TASK_EVENTS = CONFIG.task_events
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TASK_DEFAULT_QUEUE = "tasks"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ROUTES = {
    # Ticks and sweeps never wait behind long user tasks.
    "schedules_app.tasks.*": {"queue": "scheduler"},
    **{f"tasks_app.tasks.{name}": {"queue": "scheduler"} for name in ("sweep", "rescue", "prune")},
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "schedules_app.tasks.tick", "schedule": 1.0},
    "keep time": {"task": "schedules_app.tasks.keep_time", "schedule": 1.0},
    "sweep": {"task": "tasks_app.tasks.sweep", "schedule": 1.0},
    "rescue": {"task": "tasks_app.tasks.rescue", "schedule": CONFIG.rescue_interval_seconds},
    "prune": {"task": "tasks_app.tasks.prune", "schedule": CONFIG.prune_interval_seconds},
    "settle": {"task": "schedules_app.tasks.settle", "schedule": 2.0},
    "prune ledger": {"task": "schedules_app.tasks.prune_ledger", "schedule": CONFIG.prune_interval_seconds},
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_SCHEDULER = "scheduler_service.beat:BoundedScheduler"
