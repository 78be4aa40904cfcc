"""The service's processes, from the launcher's own list, kept running: a dead one is started again."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from launcher import pids
from launcher.processes import Options, Process, service_processes
from launcher.supervisor import spawn

RESTART_SECONDS = 0.5


@dataclass
class Role:
    """One process of the service over all its lives."""

    process: Process
    popen: subprocess.Popen[bytes]
    lives: int = 1
    restart_at: float | None = None
    kill_at: float | None = None

    @property
    def kind(self) -> str:
        return self.process.name.partition("-")[0]

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None


@dataclass
class Roles:
    """All of them. Its verbs belong to one thread: the kernel ties a child to the thread that started it."""

    folder: Path
    environ: Mapping[str, str]
    roles: dict[str, Role] = field(default_factory=dict)

    def start(self, process: Process, **variables: str) -> None:
        """Start one; `variables` are of its environment only."""
        self.roles[process.name] = Role(process, self._spawn(process, variables))
        self._variables[process.name] = variables
        self._record()

    @property
    def _variables(self) -> dict[str, dict[str, str]]:
        return self.__dict__.setdefault("variables_of", {})

    def supervise(self) -> list[str]:
        """Start the dead again after a moment, and kill what does not heed SIGTERM; the names that died."""
        now, died = time.monotonic(), []
        for name, role in self.roles.items():
            if role.is_alive:
                if role.kill_at is not None and now >= role.kill_at:
                    pids.signal_group(role.popen.pid, signal.SIGKILL)
                continue
            if role.restart_at is None:
                # What its leader left behind, stopped children for example.
                pids.signal_group(role.popen.pid, signal.SIGKILL)
                role.restart_at, role.kill_at = now + RESTART_SECONDS, None
                died.append(name)
            elif now >= role.restart_at:
                role.popen = self._spawn(role.process, self._variables[name])
                role.restart_at, role.lives = None, role.lives + 1
                self._record()
        return died

    def terminate(self, name: str) -> None:
        """Ask one to end in order; `supervise` starts it again."""
        role = self.roles[name]
        with suppress(ProcessLookupError):
            role.popen.terminate()
        role.kill_at = time.monotonic() + role.process.grace

    def alive(self, *kinds: str) -> list[Role]:
        """Those that run, of these kinds."""
        return [role for role in self.roles.values() if role.kind in kinds and role.is_alive]

    def stop(self, *names: str) -> None:
        """End these (or all) for good."""
        chosen = [self.roles.pop(name) for name in (names or list(self.roles))]
        for role in chosen:
            with suppress(ProcessLookupError):
                role.popen.send_signal(signal.SIGCONT)
                role.popen.terminate()
        deadline = time.monotonic() + (3.0 if chosen else 0.0)
        while any(role.is_alive for role in chosen) and time.monotonic() < deadline:
            time.sleep(0.05)
        for role in chosen:
            pids.signal_group(role.popen.pid, signal.SIGKILL)
            role.popen.wait()
        self._record()

    def _spawn(self, process: Process, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{process.name}.log").open("ab") as log:
            return spawn(process, {**self.environ, **variables}, log)

    def _record(self) -> None:
        pids.record(self.folder / "children.json", {n: role.popen.pid for n, role in self.roles.items()})


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run (Linux)."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def send(pid: int, number: signal.Signals) -> bool:
    """Signal one process of the harness's own; False if it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def service(ports: list[int], *, workers: int = 2, children: int = 2, beats: int = 2) -> list[Process]:
    """The whole service as the harness runs it: a web process per port, workers, a scheduler worker, beats."""
    webs = [numbered(one("web", port=port), number) for number, port in enumerate(ports, 1)]
    hands = [numbered(one("worker", workers=children), number) for number in range(1, workers + 1)]
    clocks = [numbered(one("beat"), number) for number in range(1, beats + 1)]
    return [*webs, *hands, numbered(one("scheduler"), 1), *clocks]


def one(name: str, **options: int) -> Process:
    """A process of the launcher's list; a web process has one worker, so that it is one process."""
    process = next(each for each in service_processes(Options(**options)) if each.name == name)  # type: ignore[arg-type]
    command = list(process.command)
    if name == "web":
        command[command.index("--workers") + 1] = "1"
    return replace(process, command=tuple(command))


def numbered(process: Process, number: int) -> Process:
    """The same under names of its own, as a second one of its kind needs them."""
    command = tuple(part.replace("@%h", f"-{number}@%h") for part in process.command)
    return replace(process, name=f"{process.name}-{number}", command=command)
