"""What drf-yasg does not say by itself, but a generated client has to know: which fields an answer always has, what
may be null, what may be any JSON value. A client that believes less refuses answers of the service. Of requests: that
they have no other fields than these, and that a text is not blank. A client that believes less is refused.
"""

from collections.abc import Iterator
from typing import Any

from drf_yasg import openapi
from drf_yasg.generators import OpenAPISchemaGenerator
from drf_yasg.inspectors import FieldInspector, NotHandled
from rest_framework import serializers

_LIMITS = (
    *("default", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("minItems", "maxItems", "uniqueItems"),
)
"""What a request is held to. An answer shows what was true when it was stored, under the limits of that day."""


_NOT_BLANK = r"\S"
ANY_JSON = "AnyJSON"
"""The definition of any JSON value. It has a name, since some generators must be told a type for it."""


class ClientReadyInspector(FieldInspector):
    """Says of single fields what the inspectors behind it in the list leave out."""

    def field_to_swagger_object(
        self, field: Any, swagger_object_type: Any, use_references: bool, **kwargs: Any
    ) -> Any:
        if type(field) is not serializers.JSONField or not use_references:
            return NotHandled
        definitions = self.components.with_scope(openapi.SCHEMA_DEFINITIONS)
        definitions.setdefault(ANY_JSON, _any_json)
        return openapi.SchemaRef(definitions, ANY_JSON)

    def process_result(self, result: Any, method_name: str, obj: Any, **kwargs: Any) -> Any:
        is_nullable = isinstance(obj, serializers.Serializer) and obj.allow_null
        if is_nullable and isinstance(result, openapi.SchemaRef):
            return self._nullable(result)
        if isinstance(result, openapi.Schema) and _is_stripped(obj):
            result.setdefault("pattern", _NOT_BLANK)
        return result

    def _nullable(self, reference: openapi.SchemaRef) -> openapi.Schema:
        """A schema of its own for the one field, since whatever stands beside a $ref is ignored."""
        definition = reference.resolve(self.components)
        schema = _untyped(allOf=[reference], x_nullable=True, description=definition.pop("description", None))
        definition.pop("x-nullable", None)
        return schema


def _is_stripped(field: Any) -> bool:
    """Whether nothing would be left of a text of blanks, and it is refused."""
    return isinstance(field, serializers.CharField) and field.trim_whitespace and not field.allow_blank


def _any_json() -> openapi.Schema:
    return _untyped(description="Any JSON value.", x_nullable=True)


def _untyped(**keywords: Any) -> openapi.Schema:
    schema = openapi.Schema(type=openapi.TYPE_OBJECT, **keywords)
    del schema["type"]
    return schema


class ClientReadyGenerator(OpenAPISchemaGenerator):
    """Tells the definitions of answers from those of requests."""

    def get_schema(self, request: Any = None, public: bool = False) -> openapi.Swagger:
        document = super().get_schema(request, public)
        definitions = document["definitions"]
        asked = set(_reachable(_bodies(document["paths"]), definitions))
        for name in definitions.keys() - asked:
            _as_answer(definitions[name])
        for name in asked:
            if "properties" in definitions[name]:
                definitions[name]["additionalProperties"] = False
        return document

    def get_path_parameters(self, path: str, view_cls: Any) -> list[openapi.Parameter]:
        parameters = super().get_path_parameters(path, view_cls)
        for parameter in parameters:
            if parameter.name.endswith("_id"):
                parameter.format = openapi.FORMAT_UUID
            parameter.update(getattr(view_cls, "path_schemas", {}).get(parameter.name, {}))
        return parameters


def _bodies(paths: dict[str, openapi.PathItem]) -> list[openapi.Parameter]:
    operations = (operation for item in paths.values() for _, operation in item.operations)
    return [one for operation in operations for one in operation.parameters if one["in"] == openapi.IN_BODY]


def _reachable(node: Any, definitions: dict[str, Any]) -> Iterator[str]:
    """The names of the definitions that this part of the document refers to, however far."""
    if isinstance(node, dict):
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            yield name
            yield from _reachable(definitions[name], definitions)
        for inner in node.values():
            yield from _reachable(inner, definitions)
    elif isinstance(node, (list, tuple)):
        for inner in node:
            yield from _reachable(inner, definitions)


def _as_answer(definition: dict[str, Any]) -> None:
    """What only the service sets is always there; and nothing is read-only where all is."""
    properties: dict[str, Any] = definition.get("properties", {})
    always = set(definition.get("required", ()))
    for name, schema in properties.items():
        if schema.pop("readOnly", False):
            always.add(name)
        for keyword in _LIMITS:
            schema.pop(keyword, None)
            schema.get("items", {}).pop(keyword, None)
    if always:
        definition["required"] = [name for name in properties if name in always]
