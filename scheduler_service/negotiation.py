"""Which renderer answers."""

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer


class Negotiation(DefaultContentNegotiation):
    """DRF's, which answers 404 to `?format=` with an unknown value; here it is a parameter as any other.

    Views refuse it by name. Only Swagger's page, which asks with it for the document, has renderers to choose from.
    """

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> list[BaseRenderer]:
        """Those of this format; all, if there is none."""
        known = list(renderers)
        return [renderer for renderer in known if renderer.format == format] or known
