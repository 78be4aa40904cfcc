"""What processes cost, from /proc (Linux): CPU seconds and resident memory."""

import os
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.roles import children

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    return [pid, *(found for child in children(pid) for found in tree(child))]


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these process trees, with that of children that have ended."""
    return sum(_ticks(each) for pid in pids for each in tree(pid)) / TICKS


def resident_mib(pid: int) -> float:
    """Memory that a process has in RAM, shared pages included; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15])
