"""The service's settings plus the harness's app. Times come from the environment, as in any deployment.

Keys are not asked for: what the harness tries to break lies behind them, and its clients have enough to tell apart.
"""

from scheduler_service.settings.base import *  # noqa: F403
from scheduler_service.settings.base import CONFIG, INSTALLED_APPS

SECRET_KEY = CONFIG.secret_key or "only-for-the-harness"
ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG_OPERATIONS = False
INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.app.apps.ChaosConfig"]
# The manifest of static files is made by a deployment; the harness asks for none.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
