"""Arithmetic expressions: the same values as Python's, and nothing else of Python."""

import ast
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_service.json import check_json
from tasks_app.operations.arithmetic import MAX_BITS, MAX_DEPTH, MAX_LENGTH, compiled, evaluate
from tasks_app.operations.errors import ArithmeticFailure, DoNotRetry, InvalidExpression

literals = st.integers(0, 10**20).map(str) | st.floats(0, allow_nan=False, allow_infinity=False).map(repr)
small = st.integers(0, 9).map(str) | st.sampled_from(["0.5", "2.0", "1e3", ".25", "3."])
operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "**"])
expressions = st.recursive(
    small | literals,
    lambda inner: (
        st.tuples(inner, operators, inner).map(" ".join)
        | inner.map("({})".format)
        | st.tuples(st.sampled_from("+-"), inner).map("".join)
    ),
    max_leaves=12,
).filter(lambda text: len(text) <= MAX_LENGTH)


def python_value(node: ast.expr) -> Any:
    """What Python makes of this part, or None if it or a part of it has no value within the limits."""
    operands = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    values = [python_value(child) for child in operands]
    if None in values or is_huge_power(node, values):
        return None
    try:
        value = eval(compile(ast.Expression(node), "test", "eval"), {"__builtins__": {}})
    except (ZeroDivisionError, OverflowError):
        return None
    if isinstance(value, int):
        return value if value.bit_length() <= MAX_BITS else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def is_huge_power(node: ast.expr, values: list[Any]) -> bool:
    """Python itself would compute these, for hours."""
    is_power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
    return (
        is_power
        and all(isinstance(value, int) for value in values)
        and abs(values[0]) > 1
        and values[1] > 5000
    )


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_the_value_is_pythons_or_there_is_none_within_the_limits(text: str) -> None:
    expected = python_value(ast.parse(text, mode="eval").body)
    if expected is None or (isinstance(expected, int) and not -(2**63) <= expected < 2**63):
        with pytest.raises(ArithmeticFailure):
            evaluate(text)
    else:
        found = evaluate(text)
        assert (found, type(found)) == (expected, type(expected))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789.eE+-*/%() \t\n_xjl,~&|^<>=\"'[]{}:#\\\0é\ud800", max_size=40))
def test_any_text_has_a_value_or_a_plain_refusal(text: str) -> None:
    try:
        answer: Any = evaluate(text)
    except (InvalidExpression, ArithmeticFailure) as error:
        answer = error.message
    check_json(answer)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4+7", 11),
        ("(1.5+2)*3", 10.5),
        ("2 ** -1", 0.5),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("-2**2", -4),
        ("6/2", 3.0),
        ("2**64 % 1000", 616),
        ("-2**63", -(2**63)),
        ("1e3 + .5", 1000.5),
        ("  4\t+\n7 ", 11),
        ("+".join("1" * 100), 100),
        ("(" * 99 + "1" + ")" * 99, 1),
    ],
)
def test_an_expression_has_its_value(text: str, value: Any) -> None:
    found = evaluate(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "4+",
        "(1",
        "1 2",
        "1 (2)",
        "01",
        "1_000",
        "0x10",
        "0b1",
        "1j",
        "...",
        "e",
        "1e999",
        "1,2",
        "[1]",
        "'a'",
        '"a"*9',
        "1 if 1 else 2",
        "1 < 2",
        "not 1",
        "~1",
        "1 & 2",
        "1 << 2",
        "1 @ 2",
        "lambda: 1",
        "(1).real",
        "(e:=1)",
        "*1",
        "**1",
        "True",
        "None",
        "abs(1)",
        "__import__('os')",
        "1#2",
        "1\\\n+2",
        "1;2",
        "4\0+7",
        "４+７",
        "\ud800",
        "-" * 199 + "1",
        "(" * 100 + "1" + ")" * 99,
    ],
)
def test_what_is_not_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        compiled(text)
    assert caught.value.code == "invalid_expression"
    assert caught.value.message.encode()


def test_an_expression_is_as_long_as_the_column_and_no_longer() -> None:
    assert evaluate("1" + "+0" * 99 + " ") == 1
    with pytest.raises(InvalidExpression, match="201 characters"):
        compiled("1" * (MAX_LENGTH + 1))


def test_operators_may_nest_so_deep_and_no_deeper() -> None:
    assert evaluate("-" * (MAX_DEPTH - 1) + "1") == -1
    with pytest.raises(InvalidExpression, match="within each other"):
        compiled("-" * MAX_DEPTH + "1")


def test_a_refusal_quotes_no_more_than_the_beginning() -> None:
    with pytest.raises(InvalidExpression) as caught:
        compiled("1 " * 100)
    assert len(caught.value.message) < MAX_LENGTH + 50


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1/0", "Division by zero"),
        ("1//0", "Division by zero"),
        ("1%0", "Division by zero"),
        ("0**-1", "Division by zero"),
        ("1.5 % 0.0", "Division by zero"),
        ("2**63", "64 bits"),
        ("9**9**9", "too large"),
        ("(10**300)**(10**300)", "too large"),
        ("2**1025", "too large"),
        ("1e308*10", "too large"),
        ("10.0**400", "too large"),
        ("2**1023*2/0.1", "too large"),
        ("1.0*2**1024", "too large"),
        ("(-8)**0.5", "no real value"),
    ],
)
def test_an_expression_without_a_value_ends_its_task_with_a_plain_message(text: str, says: str) -> None:
    with pytest.raises(ArithmeticFailure, match=says) as caught:
        evaluate(text)
    assert isinstance(caught.value, DoNotRetry)
    assert caught.value.code == "arithmetic_error"


def test_a_tower_of_powers_costs_no_time() -> None:
    started = time.process_time()
    for text in ("9**9**9**9", "(9**300)**(9**300)", "9**99999999", "-9**99999999", "(0-2)**(10**100)"):
        with pytest.raises(ArithmeticFailure):
            evaluate(text)
    assert time.process_time() - started < 1


def test_powers_of_one_and_zero_may_have_any_exponent() -> None:
    assert evaluate("1**10**100 + 0**10**100 + (-1)**(10**100)") == 2


def test_an_expression_is_parsed_once() -> None:
    compiled.cache_clear()
    evaluate("1+2+3")
    evaluate("1+2+3")
    assert (compiled.cache_info().misses, compiled.cache_info().hits) == (1, 1)
