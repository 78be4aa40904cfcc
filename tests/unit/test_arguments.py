"""Arguments: held to the handler's signature at the door, and turned into what it takes when it runs."""

import functools
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, JsonValue

from tasks_app.operations import (
    ArgumentError,
    Context,
    DoNotRetry,
    InvalidArguments,
    Operation,
    signature,
)
from tasks_app.operations.signature import MAX_ERRORS
from tests.support import a_context, registered_operation


class Colour(StrEnum):
    RED = "red"


class Address(BaseModel, extra="forbid"):
    street: str
    numbers: list[int] = []


def faults(known: Operation, arguments: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(InvalidArguments) as caught:
        known.validate(known.name, arguments)
    return [(error.path, error.code) for error in caught.value.errors]


# --- arguments -------------------------------------------------------------------------------------------


def test_every_fault_of_the_arguments_is_told_with_its_path() -> None:
    def handler(to: Address, count: int, colour: Colour = Colour.RED) -> None: ...

    with registered_operation(handler) as known:
        arguments = {"to": {"numbers": [1, "2"], "zip": 1}, "colour": "blue", "other": None}
        assert faults(known, arguments) == [
            (("to", "street"), "required"),
            (("to", "numbers", 1), "int_type"),
            (("to", "zip"), "unknown"),
            (("count",), "required"),
            (("colour",), "enum"),
            (("other",), "unknown"),
        ]


def test_an_unknown_argument_is_answered_with_the_known_ones() -> None:
    def handler(street: str, number: int = 0) -> None: ...

    with registered_operation(handler) as known, pytest.raises(InvalidArguments) as caught:
        known.validate(known.name, {"street": "x", "numbr": 1})
    assert caught.value.errors == [
        ArgumentError(("numbr",), "unknown", "This operation has no such argument; use only: street, number.")
    ]


def test_a_union_is_answered_at_the_arguments_own_path() -> None:
    def handler(x: int | list[int], pair: tuple[int, int]) -> None: ...

    with registered_operation(handler) as known:
        paths = {path for path, _ in faults(known, {"x": "a", "pair": [1]})}
    assert paths == {("x",), ("pair", 1)}


@pytest.mark.parametrize("value", ["5", 5.0, True, None, [5]])
def test_values_are_not_converted(value: Any) -> None:
    def handler(x: int) -> None: ...

    with registered_operation(handler) as known:
        assert faults(known, {"x": value}) == [(("x",), "int_type")]


def test_what_json_has_no_type_for_comes_as_text_and_arrives_as_itself() -> None:
    def handler(
        at: datetime,
        key: uuid.UUID,
        wait: timedelta,
        colours: set[Colour],
        mode: Literal["a", "b"],
        ratio: float,
    ) -> list[Any]:
        return [at, key, wait, colours, mode, ratio]

    key = uuid.uuid4()
    arguments = {
        "at": "2030-01-31T12:00:00Z",
        "key": str(key),
        "wait": "PT5M",
        "colours": ["red"],
        "mode": "a",
        "ratio": 1,
    }
    with registered_operation(handler) as known:
        assert known.validate(known.name, arguments) == arguments
        result = known.run(known.name, arguments, a_context())
    assert result == [
        datetime(2030, 1, 31, 12, tzinfo=UTC),
        key,
        timedelta(minutes=5),
        {Colour.RED},
        "a",
        1.0,
    ]


def test_arguments_are_stored_as_sent_and_defaults_stay_the_handlers() -> None:
    marker = object()

    def handler(x: int = 3, y: Any = marker) -> Any:
        return x, y

    with registered_operation(handler) as known:
        assert known.validate(known.name, {}) == {}
        assert known.run(known.name, {"x": 4}, a_context()) == (4, marker)
        assert known.arguments_schema()["properties"]["x"]["default"] == 3


@pytest.mark.parametrize("value", [float("nan"), 2**64, "\0", "\ud800", (1,), object()])
def test_arguments_that_are_not_storable_are_refused(value: Any) -> None:
    def handler(**values: Any) -> None: ...

    with registered_operation(handler) as known:
        [(path, _)] = faults(known, {"deep": [value]})
    assert path == ("deep", 0)


def test_the_number_of_faults_told_is_bounded() -> None:
    def handler(numbers: list[int]) -> None: ...

    with registered_operation(handler) as known:
        assert len(faults(known, {"numbers": ["x"] * 1000})) == MAX_ERRORS


def test_parameters_may_have_names_that_pydantic_uses_itself() -> None:
    def handler(json: int, model_config: int, copy: int, _hidden: int, schema: int, argument_0: int) -> int:
        return json + model_config + copy + _hidden + schema + argument_0

    names = ["json", "model_config", "copy", "_hidden", "schema", "argument_0"]
    with registered_operation(handler) as known:
        assert known.run(known.name, dict.fromkeys(names, 2), a_context()) == 12
        assert list(known.arguments_schema()["properties"]) == names


def test_a_validator_of_the_apps_own_speaks_for_itself() -> None:
    def even(x: int) -> int:
        if x % 2:
            raise ValueError("Use an even number.")
        return x

    def handler(x: Annotated[int, AfterValidator(even)]) -> None: ...

    with registered_operation(handler) as known, pytest.raises(InvalidArguments) as caught:
        known.validate(known.name, {"x": 3})
    assert [error.message for error in caught.value.errors] == ["Use an even number."]


def test_arguments_are_checked_as_json_once_at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Any] = []
    monkeypatch.setattr(signature, "check_json", checked.append)

    def handler(**values: JsonValue) -> None: ...

    with registered_operation(handler) as known:
        known.validate(known.name, {"x": 1}, is_json=True)
        assert checked == []
        known.validate(known.name, {"x": 2})
        known.run(known.name, {"x": 3}, a_context())
    assert checked == [{"x": 2}]


def test_the_schema_of_the_arguments_is_json_schema() -> None:
    def handler(
        to: Address, size: Annotated[int, Field(ge=1, description="Pages.")], context: Context
    ) -> None: ...

    with registered_operation(handler, "letters.send") as known:
        schema = known.arguments_schema()
    assert schema["title"] == "letters.send"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["to", "size"]
    assert schema["properties"]["size"] == {
        "description": "Pages.",
        "minimum": 1,
        "title": "Size",
        "type": "integer",
    }
    assert "Address" in schema["$defs"]


def test_a_handler_may_take_any_arguments_of_one_type() -> None:
    def total(start: int = 0, **amounts: int) -> int:
        return start + sum(amounts.values())

    with registered_operation(total) as known:
        sent = {"start": 1, "a b": 2, "argument_0": 3}
        assert known.run(known.name, sent, None) == known.run(known.name, json.dumps(sent), None) == 6
        assert faults(known, {"a": "x"}) == [(("a",), "int_type")]
        assert known.arguments_schema()["additionalProperties"] == {"type": "integer"}


# --- running ---------------------------------------------------------------------------------------------


def test_a_handler_gets_its_context_and_a_request_cannot_send_one() -> None:
    def handler(x: int, here: Context, **others: JsonValue) -> Any:
        return here.task_id, here.attempt

    with registered_operation(handler) as known:
        context = a_context(attempt=2)
        assert known.run(known.name, {"x": 1}, context) == (context.task_id, 2)
        assert known.run(known.name, '{"x": 1}', context) == (context.task_id, 2)
        assert faults(known, {"x": 1, "here": {}}) == [(("here",), "unknown")]
        assert "here" not in known.arguments_schema()["properties"]


@pytest.mark.parametrize("stored", [{"y": 1}, '{"y": 1}'])
def test_stored_arguments_that_no_longer_fit_are_not_tried_again(stored: dict[str, Any] | str) -> None:
    def handler(x: int) -> None: ...

    with registered_operation(handler) as known, pytest.raises(DoNotRetry) as caught:
        known.run(known.name, stored, a_context())
    assert caught.value.code == "invalid_arguments"
    assert "x: This argument is required." in caught.value.message


def test_what_a_handler_raises_passes_unchanged() -> None:
    error = TypeError("mine")

    def handler() -> None:
        raise error

    with registered_operation(handler) as known, pytest.raises(TypeError) as caught:
        known.run(known.name, {}, a_context())
    assert caught.value is error


def test_a_wrapped_handler_is_read_through_its_wrapper() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(**arguments: Any) -> Any:
            return [function(**arguments)]

        return wrapper

    @logged
    def handler(to: Address) -> str:
        return to.street

    with registered_operation(handler) as known:
        assert known.run(known.name, {"to": {"street": "x"}}, a_context()) == ["x"]


def test_a_module_with_postponed_annotations_can_have_operations() -> None:
    from tests.unit import postponed

    with registered_operation(postponed.handler) as known:
        assert known.run(known.name, {"amount": "1.50"}, a_context(attempt=3)) == "1.50 in attempt 3"
        assert faults(known, {"amount": "x"}) == [(("amount",), "decimal_parsing")]
