"""Arithmetic expressions such as `(1.5+2)*3`, evaluated without `eval`: + - * / // % ** and parentheses.

An expression is parsed by Python's own grammar, held to a whitelist, and kept as a postfix program. Numbers
are written in decimal digits, with `.` and `e` as in JSON; not `1_000` or `0x10`, which other languages write
otherwise. On the way integers may have 1,024 bits; a result has 64. Values and errors are otherwise Python's.
"""

import ast
import math
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

from scheduler_service.json import MAX_INTEGER, MIN_INTEGER, quote
from tasks_app.operations.errors import ArithmeticFailure, InvalidExpression

Number = int | float

MAX_LENGTH = 200
"""Characters; this bounds the number of nodes, too."""

MAX_DEPTH = 100
"""Operators within each other: a sum of 100 numbers is as deep."""

MAX_BITS = 1024
"""Bits of an integer on the way to the result."""

_CHARACTERS = re.compile(r"[0-9.eE+*/%() -]*")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        # A lower bound of the result's bits, before time and memory go into it.
        bits = (base.bit_length() - 1) * exponent
        if bits > MAX_BITS:
            raise OverflowError
    value: Number | complex = base**exponent
    if isinstance(value, complex):
        raise ArithmeticFailure("A negative number has no real value to a fractional power.")
    return value


_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}

# Postfix: a number to push, or how many numbers to pop and what to make of them.
Step = tuple[int, Number | Callable[..., Number]]


def evaluate(text: str) -> Number:
    """The value of an expression: an integer within signed 64 bits, or a finite float.

    Raises InvalidExpression, and ArithmeticFailure if it has no such value.
    """
    program = compiled(text)
    try:
        result = _run(program)
    except ZeroDivisionError:
        raise ArithmeticFailure(f"Division by zero in {quote(text)}.") from None
    except OverflowError:
        raise ArithmeticFailure(f"A number in {quote(text)} becomes too large.") from None
    if isinstance(result, int) and not MIN_INTEGER <= result <= MAX_INTEGER:
        raise ArithmeticFailure(f"The result of {quote(text)} is too large: integers have 64 bits.")
    return result


@lru_cache(maxsize=4096)
def compiled(text: str) -> tuple[Step, ...]:
    """The expression as a postfix program. Raises InvalidExpression."""
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"The expression has {len(text)} characters; {MAX_LENGTH} are taken.")
    spaced = " ".join(text.split())
    if not _CHARACTERS.fullmatch(spaced):
        wrong = next(character for character in spaced if not _CHARACTERS.fullmatch(character))
        raise _invalid(text, f"{quote(wrong)} has no place in it")
    try:
        steps: list[Step] = []
        _flatten(ast.parse(spaced, mode="eval").body, steps, 1, text)
    except SyntaxError as error:
        raise _invalid(text, _place(error.offset)) from None
    except (ValueError, MemoryError, RecursionError):
        raise _invalid(text, "it is too complex") from None
    return tuple(steps)


def _flatten(node: ast.expr, steps: list[Step], depth: int, text: str) -> None:
    if depth > MAX_DEPTH:
        raise _invalid(text, f"it has more than {MAX_DEPTH} operators within each other")
    match node:
        case ast.Constant(value=int() | float() as value) if math.isfinite(value):
            steps.append((0, value))
        case ast.Constant(value=float()):
            raise _invalid(text, "it has a number that is too large")
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            _flatten(operand, steps, depth + 1, text)
            steps.append((1, _UNARY[type(op)]))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _flatten(left, steps, depth + 1, text)
            _flatten(right, steps, depth + 1, text)
            steps.append((2, _BINARY[type(op)]))
        case _:
            raise _invalid(text, _place(node.col_offset + 1))


def _run(program: tuple[Step, ...]) -> Number:
    stack: list[Number] = []
    for arity, action in program:
        if not callable(action):
            stack.append(action)
            continue
        operands = stack[-arity:]
        del stack[-arity:]
        stack.append(_bounded(action(*operands)))
    return stack[0]


def _bounded(value: Number) -> Number:
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise OverflowError
    elif not math.isfinite(value):
        raise OverflowError
    return value


def _invalid(text: str, why: str) -> InvalidExpression:
    return InvalidExpression(
        f"{quote(text)} is not an arithmetic expression: {why}. Use numbers, + - * / // % ** and "
        "parentheses, or the name of a registered operation."
    )


def _place(character: int | None) -> str:
    # Python's parser says 0 when the text ends too early.
    return f"it cannot be read from character {character} on" if character else "it is not complete"


def _checked(text: str) -> str:
    try:
        compiled(text)
    except InvalidExpression as error:
        raise ValueError(error.message) from None
    return text


Text = Annotated[str, Field(max_length=MAX_LENGTH, examples=["(1.5+2)*3"]), AfterValidator(_checked)]
