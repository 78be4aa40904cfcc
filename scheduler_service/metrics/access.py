"""Who may read the metrics."""

import hmac

from scheduler_service.config import Config

REALM = 'Bearer realm="metrics"'


def are_served(config: Config, *, is_open: bool) -> bool:
    """Whether there are any to read: with a METRICS_TOKEN, or where the settings open them to all."""
    return is_open or bool(config.metrics_token.get_secret_value())


def is_allowed(config: Config, authorization: str) -> bool:
    """Whether a request with this header may read what is served; without a METRICS_TOKEN every one may."""
    token = config.metrics_token.get_secret_value()
    if not token:
        return True
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
