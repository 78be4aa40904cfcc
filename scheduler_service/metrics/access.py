"""Who may read the metrics."""

import hmac

from scheduler_service.config import Config

REALM = 'Bearer realm="metrics"'


def is_allowed(config: Config, authorization: str) -> bool:
    """Whether a request with this header may read them; without a METRICS_TOKEN every one may."""
    token = config.metrics_token.get_secret_value()
    if not token:
        return True
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
