"""What tasks can run: see `registry`. Apps import from here, in their own `operations.py`."""

import tasks_app.operations.http.request  # noqa: F401 - registers itself
from tasks_app.operations.context import Context
from tasks_app.operations.errors import (
    ArgumentError,
    ArithmeticFailure,
    Cancelled,
    DoNotRetry,
    InvalidArguments,
    InvalidExpression,
    OperationError,
    RegistrationError,
    Retry,
    RetryAt,
    TimeLimitExceeded,
    UnknownOperation,
)
from tasks_app.operations.registry import Operation, is_registered, operation, registered, resolve, slow_names

__all__ = [
    "ArgumentError",
    "ArithmeticFailure",
    "Cancelled",
    "Context",
    "DoNotRetry",
    "InvalidArguments",
    "InvalidExpression",
    "Operation",
    "OperationError",
    "RegistrationError",
    "Retry",
    "RetryAt",
    "TimeLimitExceeded",
    "UnknownOperation",
    "is_registered",
    "operation",
    "registered",
    "resolve",
    "slow_names",
]
