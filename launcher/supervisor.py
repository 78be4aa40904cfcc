"""Keeps children running and relays their output: one thread, one loop over pipes, signals and deadlines."""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from launcher import pids
from launcher.layout import PROJECT_DIR
from launcher.processes import Process

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
# A child that lived this long was well: its next pause is the first one again.
STEADY_SECONDS = 30.0
LONGEST_LINE = 64 * 1024
NAME_WIDTH = 9
PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def bound_to_parent(orphan_signal: signal.Signals) -> Callable[[], None]:
    """What a new child calls before it runs, so that the kernel signals it when this process dies (Linux)."""
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def bind() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, int(orphan_signal))
            # The parent may have died before the kernel was told.
            if os.getppid() != parent:
                os._exit(1)

    return bind


def spawn(
    process: Process, environ: Mapping[str, str], output: int | IO[bytes] | None = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start a child that leads a session of its own, so that Ctrl-C reaches only who stops them in order."""
    return subprocess.Popen(
        process.command,
        cwd=PROJECT_DIR,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # Safe: this process has one thread.
        preexec_fn=bound_to_parent(process.orphan_signal),
    )


def next_pause(pause: float, lived_seconds: float) -> float:
    """How long to wait before a child is started again, given the last pause (0 = none yet)."""
    if lived_seconds >= STEADY_SECONDS or not pause:
        return FIRST_PAUSE_SECONDS
    return min(pause * 2, LONGEST_PAUSE_SECONDS)


def describe_exit(code: int) -> str:
    """`exited with code 3`, or `was ended by SIGKILL`."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


@dataclass
class Child:
    """One process of the service over all its lives."""

    process: Process
    popen: subprocess.Popen[bytes]
    started: float
    pause: float = 0.0
    restart_at: float | None = None
    partial: bytes = b""


@dataclass
class Supervisor:
    """Starts, watches, restarts and stops children.

    Attributes:
        environ: the children's environment.
        record: file that names the running children for a later start.
        output: where log lines go.
    """

    environ: Mapping[str, str]
    record: Path
    output: IO[bytes]
    children: list[Child] = field(default_factory=list)
    stop_requests: int = 0
    is_unread: bool = False

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._alarm = os.pipe()
        for descriptor in (self._wakeup, self._alarm):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_stop)
        # Without a handler of its own, the death of a child would not wake the loop.
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _on_stop(self, *_: object) -> None:
        self.stop_requests += 1

    def start(self, process: Process) -> Child:
        """Start a child and keep it running until `stop`."""
        child = Child(process, self._spawn(process), time.monotonic())
        self.children.append(child)
        self._watch(child)
        return child

    def start_attached(self, process: Process) -> subprocess.Popen[bytes]:
        """Start a child that writes straight to the terminal and is neither watched nor restarted."""
        return spawn(process, self.environ, output=None)

    def run_until(
        self, condition: Callable[[], bool], timeout: float | None = None, step: float = 1.0
    ) -> bool:
        """Relay and restart until the condition holds (True), a stop is requested or the time is up (False).

        The condition is asked again every `step` seconds at the latest.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.stop_requests:
            if condition():
                return True
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._turn(step)
            self._restart_the_dead()
        return False

    def say(self, text: str) -> None:
        """Write lines of the launcher's own among those of the children."""
        for line in text.splitlines() or [""]:
            self._write("run.py", line.encode())

    def stop(self) -> None:
        """Stop every child: all but the broker at once, each with its grace, and then the broker."""
        broker = [child for child in self.children if child.process.name == "broker"]
        others = [child for child in self.children if child.process.name != "broker"]
        for group in (others, broker):
            self._stop(group)
        self.children.clear()
        self.record.unlink(missing_ok=True)
        signal.set_wakeup_fd(-1)
        self._selector.close()
        os.close(self._wakeup)
        os.close(self._alarm)

    def _stop(self, group: Sequence[Child]) -> None:
        patience = self.stop_requests
        begun = time.monotonic()
        for child in group:
            _ask_to_stop(child)
        while alive := [child for child in group if child.popen.poll() is None]:
            # A second Ctrl-C: no more patience.
            urgent = self.stop_requests > max(patience, 1)
            for child in alive:
                if urgent or time.monotonic() - begun > child.process.grace:
                    pids.signal_group(child.popen.pid, signal.SIGKILL)
            self._turn(0.1)
        for child in group:
            # What its leader did not take along: pool processes of a killed worker.
            pids.kill_group(child.popen.pid)
            self._drain(child)

    def _spawn(self, process: Process) -> subprocess.Popen[bytes]:
        return spawn(process, self.environ)

    def _watch(self, child: Child) -> None:
        assert child.popen.stdout is not None
        os.set_blocking(child.popen.stdout.fileno(), False)
        self._selector.register(child.popen.stdout, selectors.EVENT_READ, child)
        running = {each.process.name: each.popen.pid for each in self.children if each.restart_at is None}
        pids.record(self.record, running)

    def _turn(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                with suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
            else:
                self._relay(key.data)

    def _relay(self, child: Child) -> bool:
        """Write the whole lines that the child has sent; False at the end of its output."""
        assert child.popen.stdout is not None
        try:
            data = os.read(child.popen.stdout.fileno(), LONGEST_LINE)
        except BlockingIOError:
            return False
        *lines, child.partial = (child.partial + data).split(b"\n")
        if child.partial and (not data or len(child.partial) > LONGEST_LINE):
            lines.append(child.partial)
            child.partial = b""
        for line in lines:
            if not any(text.encode() in line for text in child.process.hidden):
                self._write(child.process.name, line)
        if not data:
            self._selector.unregister(child.popen.stdout)
            child.popen.stdout.close()
        return bool(data)

    def _drain(self, child: Child) -> None:
        while child.popen.stdout and not child.popen.stdout.closed and self._relay(child):
            pass
        if child.popen.stdout and not child.popen.stdout.closed:
            self._selector.unregister(child.popen.stdout)
            child.popen.stdout.close()

    def _write(self, name: str, line: bytes) -> None:
        if self.is_unread:
            return
        try:
            self.output.write(b"%s | %s\n" % (name.ljust(NAME_WIDTH).encode(), line))
            self.output.flush()
        except BrokenPipeError:
            # Nobody reads any more, as with `run.py | head`: stop, rather than run unseen.
            self.is_unread = True
            self.stop_requests += 1

    def _restart_the_dead(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.restart_at is not None and now >= child.restart_at:
                child.popen, child.started, child.restart_at = self._spawn(child.process), now, None
                self._watch(child)
            elif child.restart_at is None and child.popen.poll() is not None:
                self._report_death(child, now)

    def _report_death(self, child: Child, now: float) -> None:
        pids.kill_group(child.popen.pid)
        self._drain(child)
        child.pause = next_pause(child.pause, now - child.started)
        child.restart_at = now + child.pause
        how = describe_exit(child.popen.returncode)
        self.say(f"{child.process.name} {how}; it is started again in {child.pause:g} s")


def _ask_to_stop(child: Child) -> None:
    """Ask the leader alone: it knows how to end its own children in order."""
    if child.popen.poll() is None:
        child.popen.terminate()
