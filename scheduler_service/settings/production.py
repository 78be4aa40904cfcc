"""Settings for production: refuses to start with what must not reach it."""

import os
import sys

from scheduler_service import logs
from scheduler_service.settings.base import *  # noqa: F403
from scheduler_service.settings.base import CONFIG

_faults = []
if len(CONFIG.secret_key) < 50 or "insecure" in CONFIG.secret_key or "change-me" in CONFIG.secret_key:
    _faults.append(
        "SECRET_KEY: set a random one of at least 50 characters, e.g. "
        "python3 -c 'import secrets; print(secrets.token_urlsafe(64))'"
    )
if not CONFIG.allowed_hosts:
    _faults.append("ALLOWED_HOSTS: name the hosts that this service answers to, comma-separated")
if os.environ.get("DEBUG", "").lower() in {"1", "true", "yes", "on"}:
    _faults.append("DEBUG: production does not run with it; unset it")
if _faults:
    sys.exit("Production settings refuse to start:\n  " + "\n  ".join(_faults))

DEBUG = False
DEBUG_OPERATIONS = False
API_KEYS_REQUIRED = CONFIG.api_keys_required is not False
LOGGING = logs.configuration(CONFIG, default_format="json")

SECURE_SSL_REDIRECT = CONFIG.https_only
# A load balancer probes, and Prometheus reads, plain HTTP from inside; a redirect would look like a failure.
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics/?$"]
SESSION_COOKIE_SECURE = CONFIG.https_only
CSRF_COOKIE_SECURE = CONFIG.https_only
SECURE_HSTS_SECONDS = 31_536_000 if CONFIG.https_only else 0
# Not for subdomains and not for preloading: a service must not decide for the domain that it lives in.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
if CONFIG.trust_proxy_headers:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
