"""What runs."""

import platform
from functools import cache
from importlib.metadata import version

from django.conf import settings

VERSION = "0.1.0"
"""The service's; a test holds it to pyproject.toml."""


@cache
def build() -> tuple[str, ...]:
    """The values of the labels of `catalog.BUILD`."""
    engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    return (VERSION, platform.python_version(), version("django"), version("celery"), engine)
