"""What `manage.py check --deploy` says about access."""

from typing import Any

from django.conf import settings
from django.core.checks import Tags, Warning, register

OPEN = (
    "API_KEYS_REQUIRED is off: whoever reaches the API can send, read and cancel tasks. "
    "Turn it on, or keep the API behind a gateway that knows its clients."
)


@register(Tags.security, deploy=True)
def keys_are_required(app_configs: Any, **_: Any) -> list[Warning]:
    """A deployment should ask for keys."""
    return [] if settings.API_KEYS_REQUIRED else [Warning(OPEN, id="access_app.W001")]
