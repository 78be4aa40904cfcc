"""The text that Prometheus reads, from sums and gauges; format and compression as prometheus_client negotiates them."""

import gzip
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)

from scheduler_service.metrics.book import Key
from scheduler_service.metrics.catalog import COUNTED, PROCESSES, Metric
from scheduler_service.metrics.counts import SUM, bounds_of
from scheduler_service.metrics.shelf import Totals

Values = Mapping[Key, float]
"""By the values of the labels."""


class Families:
    """What an encoder of prometheus_client takes for a registry."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = list(families)

    def collect(self) -> list[Family]:
        """The families, once collected."""
        return self._families


def answer(families: Iterable[Family], accept: str, accept_encoding: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of an answer to a request with these headers."""
    encoder, content_type = _encoder(accept)
    body = encoder(Families(families))
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if gzip_accepted(accept_encoding):
        return {**headers, "Content-Encoding": "gzip"}, gzip.compress(body, compresslevel=3)
    return headers, body


def _encoder(accept: str) -> tuple[Callable[[Any], bytes], str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number; the format that everybody reads will do
        return choose_encoder("")


def counted(totals: Totals) -> Iterator[Family]:
    """What processes have counted: every metric, also those that nothing has been counted of."""
    by_name: dict[str, dict[Key, float]] = defaultdict(dict)
    for (name, *labels), value in totals.sums.items():
        by_name[name][tuple(labels)] = value
    for metric in COUNTED:
        yield _MAKERS[metric.kind](metric, by_name[metric.name])
    yield gauge(PROCESSES, {(): totals.processes})


def gauge(metric: Metric, values: Values) -> Family:
    """A gauge with these values."""
    return _simple(GaugeMetricFamily, metric, values)


def info(metric: Metric, values: Sequence[str]) -> Family:
    """A metric of texts, one for each of its labels."""
    return InfoMetricFamily(metric.family, metric.help, value=dict(zip(metric.labels, values, strict=True)))


def _counter(metric: Metric, values: Values) -> Family:
    # One without labels is there from the beginning: the increase from nothing to one is seen.
    return _simple(CounterMetricFamily, metric, values or ({} if metric.labels else {(): 0.0}))


def _simple(kind: Any, metric: Metric, values: Values) -> Family:
    family: Family = kind(metric.family, metric.help, labels=metric.labels)
    for labels, value in sorted(values.items()):
        if len(labels) == len(metric.labels):  # the sums of an older release may have others
            family.add_metric(labels, value)  # type: ignore[attr-defined]
    return family


def _histogram(metric: Metric, values: Values) -> Family:
    family = HistogramMetricFamily(metric.family, metric.help, labels=metric.labels)
    series: dict[Key, dict[str, float]] = defaultdict(dict)
    for (*labels, part), value in values.items():
        series[tuple(labels)][part] = value
    for key, parts in sorted(series.items()):
        if len(key) == len(metric.labels):
            family.add_metric(key, list(_cumulative(metric, parts)), parts.get(SUM, 0.0))
    return family


def _cumulative(metric: Metric, parts: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    so_far = 0.0
    for bound in bounds_of(metric):
        so_far += parts.get(bound, 0.0)
        yield bound, so_far


_MAKERS: dict[str, Callable[[Metric, Values], Family]] = {
    "counter": _counter,
    "gauge": lambda metric, values: gauge(metric, values or {(): 0.0}),
    "histogram": _histogram,
}
