"""Crash points: a verb of the store is struck before or after one of its statements or its COMMIT."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

from django.db import OperationalError, connections

BOOKKEEPING = re.compile(r"\s*(BEGIN|PREPARE|SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK)", re.IGNORECASE)
WRITE = re.compile(r"\b(INSERT( OR IGNORE)? INTO|DELETE FROM|UPDATE|EXECUTE)\s+\W?tasks_", re.IGNORECASE)


class Crash(OperationalError):
    """Here the process was killed, or its connection to the database was lost."""


@dataclass(frozen=True)
class Fault:
    """Strike at the `event`-th statement or COMMIT of a verb (1, 2, …), before it or after it took effect."""

    event: int
    before: bool


@dataclass
class Strike:
    """What became of a fault: whether it struck, and whether the verb's effects were durable by then."""

    fault: Fault
    events: int = field(default=0, init=False)
    struck: bool = field(default=False, init=False)
    committed: bool = field(default=False, init=False)

    def around(self, act: Callable[[], Any], *, commits: bool) -> Any:
        """Do one event, unless the fault is before it; raises Crash where the fault is."""
        self.events += 1
        is_here = self.events == self.fault.event and not self.struck
        if is_here and self.fault.before:
            self._crash()
        answer = act()
        self.committed = self.committed or commits
        if is_here:
            self._crash()
        return answer

    def statement(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        """An execute_wrapper of Django's. Outside a transaction a writing statement is its own commit."""
        if self.struck or BOOKKEEPING.match(sql):
            return execute(sql, *rest)
        alone = not rest[-1]["connection"].in_atomic_block
        return self.around(lambda: execute(sql, *rest), commits=alone and bool(WRITE.search(sql)))

    def _crash(self) -> None:
        self.struck = True
        raise Crash("crash point")


@contextmanager
def struck_by(fault: Fault | None) -> Iterator[Strike | None]:
    """Let the fault strike what the block does with the database. No fault: nothing happens."""
    if fault is None:
        yield None
        return
    connection = connections["default"]
    strike = Strike(fault)
    commit = connection._commit
    with (
        mock.patch.object(connection, "_commit", partial(strike.around, commit, commits=True)),
        connection.execute_wrapper(strike.statement),
    ):
        yield strike
