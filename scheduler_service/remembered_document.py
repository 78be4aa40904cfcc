"""The document as readers get it: what all of them are told alike is drawn up once in each process."""

from collections.abc import Hashable
from typing import Any, ClassVar

from django.conf import settings
from django.urls import get_script_prefix
from drf_yasg import openapi

from scheduler_service.client_ready import ClientReadyGenerator


class _Plain(openapi.Swagger):
    """A document of plain values already, which need not be made plain for each reader again."""

    def __init__(self, values: dict[str, Any]) -> None:
        openapi.SwaggerDict.__init__(self)
        self.update(values)

    def as_dict(self) -> dict[str, Any]:
        return dict(self)


class RememberedGenerator(ClientReadyGenerator):
    """For a public view. Drawing the document up takes 100 ms: nobody shall cause that at will without a key."""

    known: ClassVar[dict[Hashable, dict[str, Any]]] = {}
    most = 8
    """How many are kept; a process whose settings stay has one."""

    def get_schema(self, request: Any = None, public: bool = False) -> openapi.Swagger:
        """The document with the host and the scheme of this request."""
        if request is None or not public or not self._gen.patterns:  # no patterns: the page that shows it
            return super().get_schema(request, public)
        values = self._values()
        here = {"host": request.get_host(), "schemes": [request.scheme]}
        return _Plain({"swagger": values["swagger"], "info": values["info"], **here, **values})

    def _values(self) -> dict[str, Any]:
        key = (tuple(self._gen.patterns), self.version, get_script_prefix(), settings.CONFIG)
        if key not in self.known:
            if len(self.known) >= self.most:
                self.known.clear()
            self.known[key] = super().get_schema(None, public=True).as_dict()
        return self.known[key]
