"""The record of running children, so that a start after `kill -9` of run.py can stop what it left."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

STOP_SECONDS = 5.0


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number (its start time); None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, IndexError):
        return None
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def record(path: Path, children: dict[str, int]) -> None:
    """Write name, number and identity of each child; atomically, since a kill may strike in between."""
    entries = {name: {"pid": pid, "identity": identity(pid)} for name, pid in children.items()}
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(entries))
    fresh.replace(path)


def stop_recorded(path: Path) -> list[str]:
    """Stop the recorded children that still run; returns their names and removes the record."""
    left = _read(path)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left.values():
            signal_group(pid, number)
        if _wait_until_gone(list(left.values())):
            break
    path.unlink(missing_ok=True)
    return sorted(left)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the process group that this child leads; a group that is gone is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def kill_group(pid: int, patience_seconds: float = 2.0) -> None:
    """Kill what is left of the group that this child led, and wait until it is gone."""
    deadline = time.monotonic() + patience_seconds
    while _group_exists(pid) and time.monotonic() < deadline:
        signal_group(pid, signal.SIGKILL)
        time.sleep(0.01)


def _group_exists(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        # PermissionError: what macOS says of a group of zombies.
        return False
    return True


def _read(path: Path) -> dict[str, int]:
    try:
        entries = json.loads(path.read_text())
        known = {name: (int(entry["pid"]), entry["identity"]) for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: pid for name, (pid, start) in known.items() if start is not None and identity(pid) == start}


def _wait_until_gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + STOP_SECONDS
    while any(identity(pid) is not None for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
