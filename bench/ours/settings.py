"""The service's settings as in production, on loopback. Times and sizes are its defaults.

Keys are not asked for: the peers ask for none either. What a key costs stands in docs/decisions.md.
"""

from scheduler_service.settings.base import *  # noqa: F403

SECRET_KEY = "only-for-the-bench"
ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG_OPERATIONS = False
# The manifest of static files is made by a deployment; the bench asks for none.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
