"""The scenarios, in the order of the table."""

from bench.contest import Scenario
from bench.scenarios import drain, growth, idle, isolation, latency, memory, mixed, submit, tick

ORDER = (
    drain.DRAIN,
    drain.DRAIN_ALONE,
    isolation.ISOLATION,
    submit.SUBMIT,
    submit.SUBMIT_ONE,
    latency.LATENCY,
    *tick.TICKS,
    idle.IDLE,
    growth.GROWTH,
    mixed.MIXED,
    memory.MEMORY,
)
SCENARIOS: dict[str, Scenario] = {each.name: each for each in ORDER}
