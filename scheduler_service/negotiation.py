"""Which renderer answers."""

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """DRF's, which answers 404 to `?format=` with an unknown value; here it is a parameter as any other.

    Views refuse it by name. Only Swagger's page, which asks with it for the document, has renderers to choose from.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer, and the media type it answers with. Raises NotAcceptable."""
        known = list(renderers)
        only = known[0]
        # As below, for what most programs send: to read the header as a list of media types takes longer.
        if len(known) == 1 and request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", only.media_type):
            return only, only.media_type
        selected: tuple[BaseRenderer, str] = super().select_renderer(request, known, format_suffix)
        return selected

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> list[BaseRenderer]:
        """Those of this format; all, if there is none."""
        known = list(renderers)
        return [renderer for renderer in known if renderer.format == format] or known
