"""How to talk to each kind of broker: bounded waits everywhere, because the rows don't depend on it."""

from typing import Any

# Without a bound, kombu tries to connect for ever inside the first publish.
_CONNECT_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_AMQP = {"confirm_publish": True, "read_timeout": 2, "write_timeout": 2}
_REDIS = {
    # Without these a publish to a stopped Redis hangs for ever, even with retry=False.
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "health_check_interval": 10,
    "global_keyprefix": "scheduler-service:",
    # One list per queue: the task's row decides the priority, not the message.
    "priority_steps": [0],
}


def is_amqp(url: str) -> bool:
    """Whether this broker is RabbitMQ (or speaks its protocol), else Redis."""
    return url.startswith("amqp")


def transport_options(url: str) -> dict[str, Any]:
    """Celery's `broker_transport_options` for this broker."""
    if is_amqp(url):
        return _CONNECT_ONCE | _AMQP
    has_keepalive = not url.startswith("redis+socket")  # an option of TCP
    return _CONNECT_ONCE | _REDIS | ({"socket_keepalive": True} if has_keepalive else {})
