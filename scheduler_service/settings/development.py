"""Settings for a developer's machine: `python3 run.py` and the tests. Never for a public address."""

from scheduler_service.settings.base import *  # noqa: F403
from scheduler_service.settings.base import CONFIG

DEBUG = True
SECRET_KEY = CONFIG.secret_key or "development-only-not-a-secret"
ALLOWED_HOSTS = list(CONFIG.allowed_hosts) or ["localhost", "127.0.0.1", "[::1]", "testserver"]
DEBUG_OPERATIONS = True
METRICS_ARE_OPEN = True
# Static files straight from the packages: no `collectstatic` before a first look at /swagger/ and /admin/.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
