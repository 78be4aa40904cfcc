"""From a handler's typed signature to a validator of JSON arguments and their JSON Schema."""

import inspect
import json
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from scheduler_service.json import InvalidJSON, check_json, dumps
from tasks_app.operations.context import Context
from tasks_app.operations.errors import ArgumentError, InvalidArguments, RegistrationError

MAX_ERRORS = 50
"""Most faults that are told of one task's arguments."""

_PORTION = 100
"""Arguments that are checked together: of more, the garbage collector would look at all that is made of them."""

_Parameter = inspect.Parameter


@dataclass(frozen=True)
class Signature:
    """What a handler takes. `fields` maps the model's field names to the handler's parameters.

    The model's fields have names of their own, because parameters may be called `json` or `_x`, which
    pydantic keeps for itself; the parameters' names are the fields' aliases.
    """

    model: type[BaseModel]
    schema: dict[str, Any]
    fields: dict[str, str]
    context_parameter: str | None

    def parse(self, arguments: dict[str, Any], *, is_json: bool = False) -> dict[str, Any]:
        """The handler's keyword arguments; those that were not sent are left to the handler's defaults.

        `is_json` says that the arguments have passed `check_json`. Raises InvalidArguments.
        """
        return self._sent(self.check(arguments, is_json=is_json))

    def parse_json(self, text: str) -> dict[str, Any]:
        """As `parse`, for the JSON text of arguments that were checked before. Raises InvalidArguments."""
        if self.context_parameter is not None:
            return self.parse(json.loads(text), is_json=True)
        try:
            return self._sent(self._validate(text))
        except ValidationError as error:
            raise InvalidArguments(_explain(error, json.loads(text), self.fields)) from None

    def check(self, arguments: dict[str, Any], *, is_json: bool = False) -> BaseModel:
        """The arguments as the model has them. Raises InvalidArguments."""
        if self.context_parameter in arguments:
            raise InvalidArguments([_unknown((self.context_parameter,), self.fields)])
        try:
            if not is_json:
                check_json(arguments)
            return self._validate(dumps(arguments))
        except InvalidJSON as error:
            raise InvalidArguments(
                [ArgumentError(error.path, error.code, f"This value {error.message}.")]
            ) from None
        except ValidationError as error:
            raise InvalidArguments(_explain(error, arguments, self.fields)) from None

    def takes_all(self, arguments: Sequence[dict[str, Any]], texts: Sequence[str]) -> bool:
        """Whether `check` surely takes each of these, which have passed `check_json`; `texts` are their JSON."""
        if self.context_parameter is not None and any(self.context_parameter in each for each in arguments):
            return False
        try:
            for start in range(0, len(texts), _PORTION):
                portion = ",".join(texts[start : start + _PORTION])
                self._many.validate_json(f"[{portion}]", strict=True)
        except ValidationError:
            return False
        return True

    @cached_property
    def _many(self) -> Any:
        return TypeAdapter(list[self.model]).validator  # type: ignore[name-defined]

    def _validate(self, text: str) -> BaseModel:
        # What `model_validate_json` comes to.
        parsed: BaseModel = self.model.__pydantic_validator__.validate_json(text, strict=True)
        return parsed

    def _sent(self, parsed: BaseModel) -> dict[str, Any]:
        fields, values = self.fields, parsed.__dict__
        sent = {fields[name]: values[name] for name in parsed.__pydantic_fields_set__ if name in fields}
        return sent | extra if (extra := parsed.__pydantic_extra__) else sent


def read(function: Callable[..., Any], name: str) -> Signature:
    """Read a handler's signature; `name` is the operation's.

    Raises RegistrationError that says which parameter is wrong and how to write it.
    """
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    context_parameter, extra = None, None
    for parameter in inspect.signature(function).parameters.values():
        annotation = _annotation(function, parameter)
        if annotation is Context:
            context_parameter = _only(function, context_parameter, parameter)
        elif parameter.kind is _Parameter.VAR_KEYWORD:
            extra = (annotation,)
        else:
            field = f"argument_{len(fields)}"
            names[field] = parameter.name
            fields[field] = (annotation, Field(_default(function, parameter), alias=parameter.name))
    model, schema = _model(function, name, fields, extra)
    return Signature(model, schema, names, context_parameter)


class _SchemaGenerator(GenerateJsonSchema):
    # A default that JSON cannot show is left out of the schema; nothing to warn of.
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}


def _model(
    function: Callable[..., Any], name: str, fields: dict[str, Any], extra: tuple[Any] | None
) -> tuple[type[BaseModel], dict[str, Any]]:
    namespace: dict[str, Any] = {
        "__module__": function.__module__,
        "model_config": ConfigDict(extra="allow" if extra else "forbid", title=name),
    }
    if extra:
        namespace["__annotations__"] = {"__pydantic_extra__": dict[str, extra[0]]}  # type: ignore[valid-type]
    try:
        base = types.new_class("Arguments", (BaseModel,), exec_body=lambda body: body.update(namespace))
        model: type[BaseModel] = create_model(
            "Arguments", __base__=base, __module__=function.__module__, **fields
        )
        return model, model.model_json_schema(schema_generator=_SchemaGenerator)
    except (PydanticUserError, TypeError) as error:
        raise _fault(function, f"has a parameter that JSON arguments cannot fill: {error}") from error


def _annotation(function: Callable[..., Any], parameter: _Parameter) -> Any:
    if parameter.kind is _Parameter.POSITIONAL_ONLY:
        raise _fault(function, f"has the positional-only parameter {parameter.name!r}; remove the '/'")
    if parameter.kind is _Parameter.VAR_POSITIONAL:
        raise _fault(
            function, f"has '*{parameter.name}'; arguments have names: use a list, or '**{parameter.name}'"
        )
    if parameter.annotation is _Parameter.empty:
        raise _fault(function, f"has the parameter {parameter.name!r} without a type; annotate it")
    # One at a time, without the return type: that one may exist for type checkers only.
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return get_type_hints(holder, globalns=names, include_extras=True)[parameter.name]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise _fault(
            function,
            f"annotates {parameter.name!r} with {parameter.annotation!r}, which cannot be read ({error}); "
            "import its type at the top of the module, not only for type checkers",
        ) from error


def _default(function: Callable[..., Any], parameter: _Parameter) -> Any:
    if isinstance(parameter.default, FieldInfo):
        raise _fault(
            function, f"gives {parameter.name!r} a Field(...) as default; write Annotated[type, Field(...)]"
        )
    return ... if parameter.default is _Parameter.empty else parameter.default


def _only(function: Callable[..., Any], found: str | None, parameter: _Parameter) -> str:
    if found or parameter.kind is _Parameter.VAR_KEYWORD:
        raise _fault(function, "takes more than one Context; one parameter can have it")
    return parameter.name


def _fault(function: Callable[..., Any], what: str) -> RegistrationError:
    return RegistrationError(f"{function.__module__}.{function.__qualname__} {what}.")


def _explain(
    error: ValidationError, arguments: dict[str, Any], fields: dict[str, str]
) -> list[ArgumentError]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_explain_one(fault, arguments, fields) for fault in found[:MAX_ERRORS]]


def _explain_one(fault: Any, arguments: dict[str, Any], fields: dict[str, str]) -> ArgumentError:
    path = _real_path(fault["loc"], arguments)
    if fault["type"] == "missing":
        return ArgumentError((*path, fault["loc"][-1]), "required", "This argument is required.")
    if fault["type"] == "extra_forbidden":
        return _unknown(path, fields)
    return ArgumentError(path, fault["type"], fault["msg"].removeprefix("Value error, ").rstrip(".") + ".")


def _real_path(location: tuple[str | int, ...], arguments: dict[str, Any]) -> tuple[str | int, ...]:
    """Without the parts that pydantic adds for a union's branch or a validator's name."""
    path: list[str | int] = []
    value: Any = arguments
    for part in location:
        if _leads_on(part, value):
            path.append(part)
            value = value[part]
    return tuple(path)


def _leads_on(part: str | int, value: Any) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _unknown(path: tuple[str | int, ...], fields: dict[str, str]) -> ArgumentError:
    if len(path) > 1:
        return ArgumentError(path, "unknown", "This key is not known; leave it out.")
    known = ", ".join(fields.values())
    advice = f"use only: {known}" if known else "it takes none"
    return ArgumentError(path, "unknown", f"This operation has no such argument; {advice}.")
