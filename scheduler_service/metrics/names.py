"""Names that clients choose, as labels: so many have a label of their own, the rest is `other`.

All processes of a folder share the list, or each would let in as many of its own.
"""

import fcntl
import json
import logging
from collections.abc import Iterable
from pathlib import Path

logger = logging.getLogger(__name__)

MOST_NAMES = 100
OTHER = "other"
FILE = "queues"


class Names:
    """The first names that were seen. `own` are not counted among these."""

    def __init__(self, folder: Path | None, own: Iterable[str] = (), most: int = MOST_NAMES) -> None:
        self._path = folder / FILE if folder else None
        self._own = frozenset(own)
        self._most = most
        self._known: set[str] = set(self._own)
        self._is_full = False

    def label(self, name: str) -> str:
        """The name, or `other`."""
        if name in self._known:
            return name
        if not self._is_full:
            self._meet(name)
        return name if name in self._known else OTHER

    def _meet(self, name: str) -> None:
        # Without a lock of the process, which a fork could leave held: the file has one, and two looks do no harm.
        try:
            seen = self._enter(name)
        except (OSError, ValueError):
            logger.warning("The names of queues cannot be shared among processes", exc_info=True)
            self._path = None
            seen = self._with(list(self._known - self._own), name)
        self._known = {*self._own, *seen}
        self._is_full = len(seen) >= self._most

    def _enter(self, name: str) -> list[str]:
        if self._path is None:
            return self._with(list(self._known - self._own), name)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = [json.loads(line) for line in file.read().splitlines()]
            seen = self._with(before, name)
            if len(seen) > len(before):
                file.write(json.dumps(name) + "\n")
                file.flush()
            fcntl.flock(file, fcntl.LOCK_UN)
        return seen

    def _with(self, seen: list[str], name: str) -> list[str]:
        return [*seen, name] if name not in seen and len(seen) < self._most else seen
