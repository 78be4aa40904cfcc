"""The scenarios, in the order of the table."""

from bench.contest import Scenario
from bench.scenarios import drain, latency, submit, tick

SCENARIOS: dict[str, Scenario] = {
    each.name: each
    for each in (
        drain.DRAIN,
        drain.DRAIN_ALONE,
        submit.SUBMIT,
        submit.SUBMIT_ONE,
        latency.LATENCY,
        *tick.TICKS,
    )
}
