"""How tasks ended, in the ledger and in the schedule's counters."""

from datetime import datetime


def settle(now: datetime | None = None) -> int:
    return 0


def check_success(now: datetime | None = None) -> int:
    return 0


def mend() -> int:
    return 0


def prune_ledger(before: datetime, limit: int = 250) -> int:
    return 0
