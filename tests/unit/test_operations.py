"""Operations: found by the text of a task, registered by a decorator that refuses what could not run."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from tasks_app.operations import (
    Context,
    InvalidArguments,
    InvalidExpression,
    RegistrationError,
    UnknownOperation,
    operation,
    registered,
    registry,
    resolve,
    slow_names,
)
from tests.support import a_context, registered_operation


class Foreign:
    """A type that pydantic knows nothing of."""


class Address(BaseModel, extra="forbid"):
    street: str
    numbers: list[int] = []


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
    with pytest.raises(InvalidArguments, match="not complete"):
        known.validate("arithmetic", {"expression": "4+"})


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
    assert "zeta.slow" not in slow_names()


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


def test_the_helper_for_tests_leaves_nothing_behind() -> None:
    before = registered()
    with registered_operation(lambda: None):
        assert registered() != before
    assert registered() == before
    assert registry.resolve("arithmetic") in before
