"""gunicorn's lines in the service's format: `gunicorn --logger-class scheduler_service.gunicorn_logs.Logger`."""

import os
from datetime import timedelta
from typing import Any

from gunicorn import glogging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_service.settings.development")


class Logger(glogging.Logger):
    """Its error log, and its access log where `--access-logfile` asks for one."""

    def setup(self, cfg: Any) -> None:
        """Set gunicorn's handlers up as ever, then give them the service's formatter and level."""
        # When gunicorn imports this module, the project need not be importable yet.
        from django.conf import settings

        super().setup(cfg)
        formatter = settings.LOGGING["formatters"]["line"]
        made = formatter["()"](formatter["secrets"])
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(made)
        self.error_log.setLevel(settings.CONFIG.log_level)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """One line per answer. Without the query: clients put into addresses what should not be kept."""
        if not self.access_log_enabled:
            return
        answered = {name.lower(): value for name, value in resp.headers}
        fields = {
            "method": environ.get("REQUEST_METHOD"),
            "path": environ.get("PATH_INFO"),
            "status": int(str(resp.status).split(None, 1)[0]),
            "bytes": getattr(resp, "sent", None),
            "milliseconds": round(request_time.total_seconds() * 1000, 1),
            "address": environ.get("REMOTE_ADDR"),
            "request_id": answered.get("x-request-id"),
        }
        if key_id := environ.get("scheduler.key_id"):
            fields["key_id"] = key_id
        message = "%(method)s %(path)s %(status)s"
        self.access_log.info(message, fields, extra=fields)
