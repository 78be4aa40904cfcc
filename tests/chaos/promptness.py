"""The checker's rule for clients' patience: without the broker, a submission is answered as fast as was promised."""

from collections.abc import Callable, Iterator

from tests.chaos.history import Call, Fault, History, Violation

PROMISED_SECONDS = 2.5
"""The longest answer to a submission while the broker is away, says `docs/guarantees.md`."""

MACHINE_SECONDS = 0.5
"""What is allowed on top of it: two processors share the service, its workers' restarts, both servers, the proxies and
the clients, and a batch of hundreds of tasks has to be stored as well."""

AFTERMATH_SECONDS = 6.0
"""For so long after its end a fault still excuses slowness: a web process that was killed takes connections before
it can answer, and a database recovers."""

SUBMITS = ("submit", "batch", "retry")

HARMLESS = frozenset(
    f"{verb} {what}"
    for verb in ("kill", "freeze")
    for what in ("worker", "worker child", "scheduler worker", "beat")
)
"""Faults of processes that no answer waits for."""

NAMED = 20


def slow_submits(history: History) -> Iterator[Violation]:
    """A submission is answered within 2.5 s while only the broker is away."""
    limit = PROMISED_SECONDS + MACHINE_SECONDS
    slow = [call for call in judged(history) if call.ended - call.begun > limit]
    if slow:
        longest = max(call.ended - call.begun for call in slow)
        message = (
            f"{len(slow)} submissions without a broker took up to {longest:.1f} s, more than {limit:g} s"
        )
        yield Violation("slow_submit", message, tuple(map(_name, slow))[:NAMED])


def judged(history: History) -> list[Call]:
    """The submissions that met a fault of the broker, and none of anything else that an answer waits for."""
    away = [fault for fault in history.faults if _is_of_broker(fault)]
    excuses = [fault for fault in history.faults if not _is_of_broker(fault) and not _is_harmless(fault)]
    return [
        call
        for call in history.calls
        if call.kind in SUBMITS
        and any(_meets(call, fault) for fault in away)
        and not any(_meets(call, fault, AFTERMATH_SECONDS) for fault in excuses)
    ]


def _is_of_broker(fault: Fault) -> bool:
    return fault.kind.startswith("broker")


def _is_harmless(fault: Fault) -> bool:
    return fault.kind in HARMLESS or (fault.kind == "rolling restart" and fault.detail != "web")


def _meets(call: Call, fault: Fault, aftermath: float = 0.0) -> bool:
    return call.begun <= fault.ended + aftermath and call.ended >= fault.begun


def _name(call: Call) -> str:
    return call.label or "".join(call.task_ids) or f"a {call.kind} at {call.begun:.3f}"


RULES: tuple[Callable[[History], Iterator[Violation]], ...] = (slow_submits,)
