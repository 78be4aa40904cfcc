"""Operations: registering, finding, checking arguments, running."""

import functools
import uuid
from collections.abc import Callable, Iterator
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
    InvalidExpression,
    Operation,
    RegistrationError,
    UnknownOperation,
    operation,
    registered,
    registry,
    resolve,
    slow_names,
)
from tasks_app.operations.signature import MAX_ERRORS
from tests.support import a_context, registered_operation


class Foreign:
    """A type that pydantic knows nothing of."""


class Colour(StrEnum):
    RED = "red"


class Address(BaseModel, extra="forbid"):
    street: str
    numbers: list[int] = []


def faults(known: Operation, arguments: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(InvalidArguments) as caught:
        known.validate(known.name, arguments)
    return [(error.path, error.code) for error in caught.value.errors]


# --- finding ---------------------------------------------------------------------------------------------


def test_a_name_means_its_operation_and_anything_else_is_arithmetic() -> None:
    def handler() -> int:
        return 5

    with registered_operation(handler, "reports.build") as known:
        assert resolve("reports.build") is known
        assert known.run("reports.build", {}, a_context()) == 5
    assert resolve("4+7").run("4+7", {}, a_context()) == 11
    assert resolve("(1.5+2)*3").run("(1.5+2)*3", {}, a_context()) == 10.5


def test_an_unknown_name_is_refused_with_what_was_probably_meant() -> None:
    with registered_operation(lambda: None, "reports.build"), pytest.raises(UnknownOperation) as caught:
        resolve("reprots.build")
    assert caught.value.message == 'No operation is named "reprots.build". Did you mean reports.build?'
    assert caught.value.code == "unknown_operation"


def test_a_suggestion_is_forgotten_with_its_operation() -> None:
    with registered_operation(lambda: None, "reports.build"), pytest.raises(UnknownOperation):
        resolve("report.build")
    with pytest.raises(UnknownOperation) as caught:
        resolve("report.build")
    assert "reports.build" not in caught.value.message
    assert "GET /operations/" in caught.value.message


@pytest.mark.parametrize("name", ["a\0b", "a\ud800", "é", "x" * 200])
def test_the_refusal_of_any_name_can_be_sent(name: str) -> None:
    with pytest.raises(UnknownOperation) as caught:
        resolve(name)
    assert caught.value.message.encode()
    assert "\0" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("text", ["", "_x", "4+", "__import__('os')"])
def test_a_text_without_a_first_letter_must_be_arithmetic(text: str) -> None:
    with pytest.raises(InvalidExpression):
        resolve(text)


def test_an_expression_takes_no_arguments() -> None:
    assert resolve("4+7").validate("4+7", {}) == {}
    with pytest.raises(InvalidArguments, match="takes no arguments") as caught:
        resolve("4+7").validate("4+7", {"x": 1})
    assert caught.value.errors[0].path == ()


def test_arithmetic_can_be_named_too() -> None:
    known = resolve("arithmetic")
    assert known.validate("arithmetic", {"expression": "4+7"}) == {"expression": "4+7"}
    assert known.run("arithmetic", {"expression": "4+7"}, a_context()) == 11
    assert faults(known, {"expression": "4+"}) == [(("expression",), "value_error")]


def test_operations_are_listed_by_name_and_the_slow_ones_apart() -> None:
    with (
        registered_operation(lambda: None, "zeta.slow"),
        registered_operation(lambda: None, "alpha.quick", quick=True),
    ):
        names = [known.name for known in registered()]
        assert names == sorted(names)
        assert {"alpha.quick", "arithmetic", "zeta.slow"} <= set(names)
        assert "zeta.slow" in slow_names()
        assert not {"alpha.quick", "arithmetic"} & set(slow_names())


# --- registering -----------------------------------------------------------------------------------------


def test_the_decorated_function_stays_as_it_is() -> None:
    def double(x: int) -> int:
        return 2 * x

    with registered_operation(double, "math.double"):
        assert operation("math.double")(double) is double
        assert double(4) == 8


def test_an_operation_has_the_settings_that_it_was_given() -> None:
    def handler() -> None:
        """Builds a report,
        page by page.

        More on this.
        """

    settings: dict[str, Any] = {
        "timeout_seconds": 5,
        "max_attempts": 2,
        "queue": "reports",
        "quick": True,
        "retry_base_seconds": 0.5,
        "retry_cap_seconds": 8,
    }
    with registered_operation(handler, **settings) as known:
        assert {field: getattr(known, field) for field in settings} == settings
        assert known.description == "Builds a report, page by page."


def test_a_name_is_taken_once() -> None:
    with (
        registered_operation(lambda: None, "reports.build"),
        pytest.raises(RegistrationError, match="registered already, by tests"),
    ):
        operation("reports.build")(lambda: 1)


@pytest.mark.parametrize("name", ["", "4x", "_x", ".x", "a b", "a/b", "é", "a\n", "x" * 201])
def test_a_name_has_letters_digits_and_a_few_signs(name: str) -> None:
    with pytest.raises(RegistrationError, match="begins with a letter"):
        operation(name)(lambda: None)


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout_seconds": 0},
        {"timeout_seconds": float("inf")},
        {"max_attempts": 0},
        {"max_attempts": 101},
        {"queue": "scheduler"},
        {"queue": "a b"},
        {"queue": "tasks\n"},
        {"retry_base_seconds": -1},
        {"retry_cap_seconds": float("nan")},
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(settings: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError, match=next(iter(settings))):
        operation("test.wrong", **settings)(lambda: None)
    assert "test.wrong" not in [known.name for known in registered()]


def unannotated(x) -> None: ...  # type: ignore[no-untyped-def]
def positional_only(x: int, /) -> None: ...
def starred(*values: int) -> None: ...
def two_contexts(one: Context, two: Context) -> None: ...
def optional_context(context: Context | None = None) -> None: ...
def all_contexts(**contexts: Context) -> None: ...
def unresolvable(x: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def no_json(x: Callable[[], int]) -> None: ...
def foreign(x: Foreign) -> None: ...
def field_default(x: int = Field(5, ge=1)) -> None: ...
async def coroutine(x: int) -> None: ...
def generator(x: int) -> Iterator[int]:
    yield x


async def async_generator(x: int) -> Any:
    yield x


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (unannotated, "'x' without a type"),
        (positional_only, "positional-only parameter 'x'"),
        (starred, r"\*values"),
        (two_contexts, "more than one Context"),
        (all_contexts, "more than one Context"),
        (optional_context, "JSON arguments cannot fill"),
        (unresolvable, "name 'Missing' is not defined"),
        (no_json, "JSON arguments cannot fill"),
        (foreign, "JSON arguments cannot fill"),
        (field_default, "Annotated"),
        (coroutine, "async"),
        (generator, "generator"),
        (async_generator, "generator"),
        (functools.partial(positional_only, 1), "not a plain function"),
        (Address, "not a plain function"),
    ],
)
def test_a_signature_that_json_cannot_fill_stops_the_start(function: Any, says: str) -> None:
    with pytest.raises(RegistrationError, match=says):
        operation("test.wrong")(function)


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
        assert known.run(known.name, {"start": 1, "a b": 2, "argument_0": 3}, a_context()) == 6
        assert faults(known, {"a": "x"}) == [(("a",), "int_type")]
        assert known.arguments_schema()["additionalProperties"] == {"type": "integer"}


# --- running ---------------------------------------------------------------------------------------------


def test_a_handler_gets_its_context_and_a_request_cannot_send_one() -> None:
    def handler(x: int, here: Context, **others: JsonValue) -> Any:
        return here.task_id, here.attempt

    with registered_operation(handler) as known:
        context = a_context(attempt=2)
        assert known.run(known.name, {"x": 1}, context) == (context.task_id, 2)
        assert faults(known, {"x": 1, "here": {}}) == [(("here",), "unknown")]
        assert "here" not in known.arguments_schema()["properties"]


def test_stored_arguments_that_no_longer_fit_are_not_tried_again() -> None:
    def handler(x: int) -> None: ...

    with registered_operation(handler) as known, pytest.raises(DoNotRetry) as caught:
        known.run(known.name, {"y": 1}, a_context())
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


def test_the_helper_for_tests_leaves_nothing_behind() -> None:
    before = registered()
    with registered_operation(lambda: None):
        assert registered() != before
    assert registered() == before
    assert registry.resolve("arithmetic") in before
