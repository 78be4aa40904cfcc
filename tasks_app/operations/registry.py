"""The operations that tasks can name: `@operation` registers a handler, `resolve` finds what a task runs."""

import difflib
import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar

from scheduler_service.config import CALLBACK_QUEUE
from scheduler_service.config_values import QUEUE_NAME
from scheduler_service.json import quote
from tasks_app.lifecycle import Curve
from tasks_app.operations import arithmetic, signature
from tasks_app.operations.context import Context
from tasks_app.operations.errors import (
    ArgumentError,
    ArgumentsNoLongerFit,
    InvalidArguments,
    RegistrationError,
    UnknownOperation,
)

MAX_NAME_LENGTH = 200
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_MAX_ATTEMPTS = 100
_NO_HANDLERS = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A registered name with its handler. None means: the service's default.

    `quick` promises that a run takes milliseconds, so that many are claimed at once.
    """

    name: str
    description: str
    handler: Callable[..., Any]
    signature: signature.Signature
    timeout_seconds: float | None = None
    max_attempts: int | None = None
    queue: str | None = None
    quick: bool = False
    retry_backoff: Curve | None = None
    retry_base_seconds: float | None = None
    retry_cap_seconds: float | None = None
    force_cancel: bool = False
    """Whether a run that does not heed its cancellation may be interrupted, and ended with its process."""

    @property
    def takes_context(self) -> bool:
        """Whether the handler asks for the running attempt."""
        return self.signature.context_parameter is not None

    def arguments_schema(self) -> dict[str, Any]:
        """The JSON Schema of `arguments`."""
        return self.signature.schema

    def validate(self, text: str, arguments: dict[str, Any], *, is_json: bool = False) -> dict[str, Any]:
        """The arguments as they are to be stored, with which `text` may be run.

        What was sent is kept as it is: defaults stay the handler's own. `is_json` says that the arguments have
        passed `check_json`. Raises InvalidArguments.
        """
        self.signature.check(arguments, is_json=is_json)
        return arguments

    def keeps_all(self, arguments: Sequence[dict[str, Any]], texts: Sequence[str]) -> bool:
        """Whether `validate` surely takes each of these as it is, which have passed `check_json`; `texts` are their
        JSON. False: ask it.
        """
        return self.signature.takes_all(arguments, texts)

    def run(self, text: str, arguments: dict[str, Any] | str, context: Context | None) -> Any:
        """Call the handler with the stored arguments, and return what it returns.

        They passed `check_json` when they were stored; a text is the JSON of them. Only an operation that
        `takes_context` looks at `context`. Raises what the handler raises, and ArgumentsNoLongerFit.
        """
        signature = self.signature
        try:
            if isinstance(arguments, str):
                values = signature.parse_json(arguments)
            else:
                values = signature.parse(arguments, is_json=True)
        except InvalidArguments as error:
            raise ArgumentsNoLongerFit(f"The stored arguments no longer fit {self.name}. {error}") from error
        if signature.context_parameter:
            values[signature.context_parameter] = context
        return self.handler(**values)


class Expression(Operation):
    """An arithmetic expression in the place of a name; short for `arithmetic` with that `expression`."""

    def validate(self, text: str, arguments: dict[str, Any], *, is_json: bool = False) -> dict[str, Any]:
        if arguments:
            message = "An arithmetic expression takes no arguments; leave them out."
            raise InvalidArguments([ArgumentError((), "not_empty", message)])
        return {}

    def keeps_all(self, arguments: Sequence[dict[str, Any]], texts: Sequence[str]) -> bool:
        return not any(arguments)

    def run(self, text: str, arguments: dict[str, Any] | str, context: Context | None) -> Any:
        return arithmetic.evaluate(text)


_operations: dict[str, Operation] = {}


def operation(
    name: str,
    *,
    timeout_seconds: float | None = None,
    max_attempts: int | None = None,
    queue: str | None = None,
    quick: bool = False,
    retry_backoff: str | None = None,
    retry_base_seconds: float | None = None,
    retry_cap_seconds: float | None = None,
    force_cancel: bool = False,
) -> Callable[[Handler], Handler]:
    """Register the decorated function, in an app's `operations.py`, as what tasks named `name` run.

    Its typed parameters say which arguments a task may have, a parameter annotated `Context` gets the running
    attempt, the first paragraph of its docstring describes it, its result is stored as JSON. The function
    itself stays as it is. Raises RegistrationError.
    """

    def register(function: Handler) -> Handler:
        add(
            Operation(
                name=name,
                description=_description(function),
                handler=function,
                signature=_checked_signature(function, name),
                timeout_seconds=timeout_seconds,
                max_attempts=max_attempts,
                queue=queue,
                quick=quick,
                retry_backoff=_curve(retry_backoff, name),
                retry_base_seconds=retry_base_seconds,
                retry_cap_seconds=retry_cap_seconds,
                force_cancel=force_cancel,
            )
        )
        return function

    return register


def _curve(word: str | None, name: str) -> Curve | None:
    try:
        return Curve(word) if word is not None else None
    except ValueError:
        known = ", ".join(Curve)
        raise RegistrationError(f"Operation {name}: retry_backoff is one of {known}.") from None


def add(new: Operation) -> None:
    """Make an operation known. Raises RegistrationError if its settings are wrong or its name is taken."""
    _check_settings(new)
    known = _operations.get(new.name)
    if known and known.handler is not new.handler:
        owner = f"{known.handler.__module__}.{known.handler.__qualname__}"
        raise RegistrationError(
            f"The operation {new.name} is registered already, by {owner}; choose another name."
        )
    _operations[new.name] = new
    _forget()


def remove(name: str) -> None:
    """Forget an operation; for tests."""
    del _operations[name]
    _forget()


def _forget() -> None:
    _suggest.cache_clear()
    slow_names.cache_clear()


def resolve(text: str) -> Operation:
    """The operation that a task's `operation` text means: a name if it begins with a letter, else arithmetic.

    Raises UnknownOperation or InvalidExpression, with a message that says what would do.
    """
    if found := _operations.get(text):
        return found
    if text[:1].isalpha():
        raise UnknownOperation(f"No operation is named {quote(text)}. {_suggest(text)}")
    arithmetic.compiled(text)
    return EXPRESSION


def is_registered(name: str) -> bool:
    """Whether an operation has this name."""
    return name in _operations


def registered() -> list[Operation]:
    """All operations, by name."""
    return sorted(_operations.values(), key=lambda known: known.name)


@cache
def slow_names() -> tuple[str, ...]:
    """The names of the operations that are not quick, sorted."""
    return tuple(known.name for known in registered() if not known.quick)


def _description(function: Callable[..., Any]) -> str:
    paragraph = (inspect.getdoc(function) or "").split("\n\n")[0]
    return " ".join(paragraph.split())


def _checked_signature(function: Any, name: str) -> signature.Signature:
    if not inspect.isfunction(function):
        raise RegistrationError(f"The operation {name!r} is not a plain function: {function!r}.")
    if any(is_other(function) for is_other in _NO_HANDLERS):
        raise RegistrationError(
            f"The operation {name!r} is async or a generator; a handler returns its result."
        )
    return signature.read(function, name)


def _check_settings(new: Operation) -> None:
    faults = {
        f"a name begins with a letter, has letters, digits, '_', '.', '-', and at most {MAX_NAME_LENGTH}": (
            not _NAME.fullmatch(new.name) or len(new.name) > MAX_NAME_LENGTH
        ),
        f"max_attempts is 1 to {_MAX_ATTEMPTS}": (
            new.max_attempts is not None and not 1 <= new.max_attempts <= _MAX_ATTEMPTS
        ),
        "queue has letters, digits, '_', '.', '-', at most 64, and is not 'scheduler' or 'callbacks'": (
            new.queue is not None
            and (not re.fullmatch(QUEUE_NAME, new.queue) or new.queue in ("scheduler", CALLBACK_QUEUE))
        ),
    } | {
        f"{field} is a number of seconds above 0": _is_no_duration(getattr(new, field))
        for field in ("timeout_seconds", "retry_base_seconds", "retry_cap_seconds")
    }
    for rule, is_broken in faults.items():
        if is_broken:
            raise RegistrationError(f"The operation {new.name!r} cannot be registered: {rule}.")


def _is_no_duration(seconds: float | None) -> bool:
    return seconds is not None and not (math.isfinite(seconds) and seconds > 0)


@lru_cache(maxsize=1024)
def _suggest(text: str) -> str:
    close = difflib.get_close_matches(text, _operations, n=3)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return "GET /operations/ lists those that are; arithmetic begins with a digit, a sign or a parenthesis."


@operation("arithmetic", quick=True)
def calculate(expression: arithmetic.Text) -> int | float:
    """Evaluates an expression such as `(1.5+2)*3`, which can also stand in the place of an operation's name.

    Raises ArithmeticFailure.
    """
    return arithmetic.evaluate(expression)


EXPRESSION = Expression(**vars(_operations["arithmetic"]))
