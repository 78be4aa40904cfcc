"""The alert rules of misc/monitoring, as far as that can be judged without a Prometheus."""

from collections.abc import Iterator
from typing import Any

import promql_parser
import yaml

from scheduler_service.config import PROJECT_DIR
from scheduler_service.metrics import catalog

ALERTS = PROJECT_DIR / "misc" / "monitoring" / "alerts.yml"
WITH_LABELS = {metric.name for metric in catalog.ALL if metric.kind == "counter" and metric.labels}


def counted_since(expression: str) -> Iterator[str]:
    """The counters with labels of which the rule asks whether they have risen at all."""
    whole = promql_parser.parse(expression)
    compared = isinstance(whole, promql_parser.BinaryExpr) and isinstance(
        whole.rhs, promql_parser.NumberLiteral
    )
    if not compared or whole.rhs.val:
        return
    found: list[Any] = []
    promql_parser.walk(whole, found.append)
    for call in found:
        if isinstance(call, promql_parser.Call) and call.func.name == "increase":
            yield call.args[0].vector_selector.name


def test_the_first_event_of_a_kind_is_noticed():
    """A series with labels begins with its first event, and `increase` does not count what a series begins with."""
    asked = []
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            for name in WITH_LABELS & set(counted_since(rule["expr"])):
                asked.append(name)
                assert f"unless last_over_time({name}" in " ".join(rule["expr"].split()), rule["alert"]
    assert asked
