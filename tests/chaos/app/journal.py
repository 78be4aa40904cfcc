"""What handlers write down of their runs: one file per process, which no fault of the harness touches."""

import json
import os
import time
from typing import Any


def write(event: str, **values: Any) -> None:
    """Append one line. A single small write to a file opened for appending is never torn by a kill."""
    folder = os.environ["CHAOS_JOURNAL"]
    line = json.dumps({"event": event, "at": time.time(), "pid": os.getpid(), **values}) + "\n"
    path = os.path.join(folder, f"runs-{os.getpid()}.jsonl")
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
