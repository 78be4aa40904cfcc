"""What can go wrong with an operation: before it is stored, and while it runs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


class RegistrationError(Exception):
    """An `@operation` is declared wrongly; raised while its module is imported, so the start stops."""


class OperationError(Exception):
    """A request names an operation that cannot run. `code` is for programs, `message` for people."""

    code = "invalid_operation"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnknownOperation(OperationError):
    """No operation is registered under this name."""

    code = "unknown_operation"


class InvalidExpression(OperationError):
    """A text that does not begin with a letter, and is no arithmetic expression either."""

    code = "invalid_expression"


@dataclass(frozen=True, slots=True)
class ArgumentError:
    """One fault in a task's `arguments`; `path` leads to it from there, by keys and indexes.

    `message` is a sentence that says what to do.
    """

    path: tuple[str | int, ...]
    code: str
    message: str


class InvalidArguments(OperationError):
    """The arguments do not fit the operation's signature; `errors` has every fault, up to a bound."""

    code = "invalid_arguments"

    def __init__(self, errors: list[ArgumentError]) -> None:
        super().__init__(" ".join(f"{_place(error)}: {error.message}" for error in errors))
        self.errors = errors


class DoNotRetry(Exception):
    """Raised by a handler whose task would fail again: it ends as ERROR, whatever attempts are left."""

    code = "do_not_retry"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = {}


class Retry(Exception):
    """Raised by a handler whose attempt failed in a way that it foresaw, such as a network that is away.

    As any exception it is retried by the task's backoff; but the message stands alone, without a traceback, and a
    subclass may have its own `code`.
    """

    code = "retry"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = {}


class RetryAt(Exception):
    """Raised by a handler that knows when its task may be tried again, e.g. from a Retry-After header.

    The task waits until `moment` (aware), if it has attempts left. `RetryAt.after(seconds)` counts from now.
    """

    code = "retry_at"

    def __init__(
        self, moment: datetime, message: str = "The operation asked to be tried again later."
    ) -> None:
        if moment.utcoffset() is None:
            raise ValueError(
                "RetryAt needs a time with an offset from UTC, such as datetime.now(UTC) + delay."
            )
        super().__init__(message)
        self.moment = moment
        self.message = message
        self.details: dict[str, Any] = {}

    @classmethod
    def after(
        cls, seconds: float, message: str = "The operation asked to be tried again later."
    ) -> "RetryAt":
        return cls(datetime.now(UTC) + timedelta(seconds=seconds), message)


class ArgumentsNoLongerFit(DoNotRetry):
    """Stored arguments that the operation took once, and takes no more: its code has changed since."""

    code = "invalid_arguments"


class ArithmeticFailure(DoNotRetry):
    """A valid expression without a result: division by zero, or a number that is too large."""

    code = "arithmetic_error"


class Cancelled(Exception):
    """Raised inside a handler that asks, once the cancellation of its task was requested."""


class TimeLimitExceeded(Exception):
    """Raised into a handler that runs longer than its task's `timeout_seconds`."""


def _place(error: ArgumentError) -> str:
    return ".".join(map(str, error.path)) if error.path else "arguments"
