"""GET /metrics: who may read it, in which format, and what stands in it; the files in misc/monitoring fit it."""

import gzip
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import promql_parser
import pytest
import yaml
from django.db import OperationalError
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families
from pydantic import SecretStr

from scheduler_service import health
from scheduler_service.config import PROJECT_DIR
from scheduler_service.metrics import build, catalog, gauges
from schedules_app import store as schedule_store
from tasks_app import backlog, doorbell, metering, store
from tasks_app.drain import LeasedStore
from tasks_app.models import Task
from tests.integration import schedules
from tests.integration.helpers import at, claim, create, ending, new_task
from tests.integration.http import client, get, post, problem
from tests.unit.test_documentation import OPERATIONS, code, table

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "a-token-of-the-metrics"
MONITORING = PROJECT_DIR / "misc" / "monitoring"


@pytest.fixture(autouse=True)
def open_and_at_once(settings, monkeypatch):
    settings.METRICS_ARE_OPEN = True
    monkeypatch.setattr(gauges, "KEPT_SECONDS", 0.0)


@pytest.fixture
def token(configure):
    configure(metrics_token=SecretStr(TOKEN))


def text(**headers: str) -> str:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200, response.content
    return response.content.decode()


def samples(page: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Name -> labels -> value, as Prometheus would read it."""
    found: dict[str, Any] = defaultdict(dict)
    for family in families(page):
        for sample in family.samples:
            found[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_a_developers_machine_shows_them_to_all():
    assert "scheduler_database_up 1.0" in text()


def test_production_serves_none_without_a_token(settings):
    settings.METRICS_ARE_OPEN = False
    body = problem(get("/metrics"), 404)
    assert body["code"] == "metrics_are_off"
    assert "METRICS_TOKEN" in body["detail"]


@pytest.mark.parametrize("is_open", [True, False])
def test_with_a_token_only_it_opens_them(settings, token, is_open):
    settings.METRICS_ARE_OPEN = is_open
    assert "scheduler_database_up 1.0" in text(authorization=f"Bearer {TOKEN}")
    assert "scheduler_database_up 1.0" in text(authorization=f"bearer  {TOKEN}")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ä"]
)
def test_another_token_is_refused(token, header):
    refused = client.get("/metrics", headers={} if header is None else {"authorization": header})
    assert problem(refused, 401)["code"] == "not_authenticated"
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="metrics"'


def test_other_methods_are_refused():
    assert problem(post("/metrics"), 405)["code"] == "method_not_allowed"
    assert client.head("/metrics").status_code == 200


def test_the_format_is_the_one_that_is_asked_for():
    plain = client.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = client.get("/metrics", headers={"accept": accept, "accept-encoding": "gzip"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    page = gzip.decompress(answer.content).decode()
    assert page.endswith("# EOF\n")
    assert {family.name for family in open_families(page)} >= {
        metric.family for metric in catalog.ALL if metric.kind != "info"
    }


@pytest.mark.parametrize(
    "version",
    [
        "abc",
        "1.0.0x",
        "1..0",
        "",
        '"1.0.0"',
        "-1",
        "9" * 400,
        "2.0.0",
        "0.0.1",
        "1.0.0, text/plain;version=y",
    ],
)
@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
def test_a_version_that_nobody_knows_is_no_fault_of_the_service(kind, version):
    answer = client.get("/metrics", headers={"accept": f"{kind};version={version};escaping=x"})
    assert answer.status_code == 200
    assert b"scheduler_database_up 1.0" in answer.content


def test_requests_are_counted_by_pattern_and_class():
    get("/tasks/0190b2a4-5f0e-7c1d-8e2f-3a4b5c6d7e8f/")
    get("/api/v1/tasks/")
    get("/nobody/knows/this")
    get("/health/live/")
    client.generic("BREW", "/tasks/")
    told = samples(text())["scheduler_http_request_duration_seconds_count"]
    assert {tuple(value for _, value in labels): number for labels, number in told.items()} == {
        ("GET", "/tasks/<str:task_id>/", "4xx"): 1,
        ("GET", "/api/v1/tasks/", "2xx"): 1,
        ("GET", "other", "4xx"): 1,
        ("GET", "/health/live", "2xx"): 1,
        ("other", "/tasks/", "4xx"): 1,
    }
    assert samples(text())["scheduler_http_requests_in_flight"] == {(): 1.0}  # the scrape itself


def unfinished(page: str) -> dict[tuple[str, ...], float]:
    """By operation, queue and status."""
    told = samples(page)["scheduler_tasks_unfinished"]
    return {tuple(value for _, value in labels): number for labels, number in told.items()}


def test_unfinished_tasks_are_shown_by_status_queue_and_operation():
    create(new_task("1+1"), new_task("2+2"), new_task("debug.sleep", queue="a"), new_task(run_at=at(60)))
    claim(1)
    assert unfinished(text()) == {
        ("arithmetic", "tasks", "STARTED"): 1,
        ("arithmetic", "tasks", "PENDING"): 1,
        ("debug.sleep", "a", "PENDING"): 1,
        ("arithmetic", "tasks", "SCHEDULED"): 1,
    }
    assert set(samples(text())["scheduler_tasks_unfinished_truncated"].values()) == {0.0}


def test_a_long_backlog_is_counted_as_far_as_the_limit_and_says_so(monkeypatch):
    monkeypatch.setattr(backlog, "MOST_COUNTED", 8)
    monkeypatch.setattr(backlog, "LEAST_SHARE", 1)
    create(*(new_task(queue="a") for _ in range(50)), *(new_task(queue="b") for _ in range(3)))
    page = text()
    assert unfinished(page) == {("arithmetic", "a", "PENDING"): 4, ("arithmetic", "b", "PENDING"): 3}
    told = samples(page)["scheduler_tasks_unfinished_truncated"]
    assert {labels[0][1]: value for labels, value in told.items()} == {
        "PENDING": 1,
        "RETRY": 0,
        "SCHEDULED": 0,
        "STARTED": 0,
    }


def test_many_queues_are_counted_as_far_as_the_limit_and_share_one_label(monkeypatch):
    monkeypatch.setattr(backlog, "MOST_QUEUES", 5)
    monkeypatch.setattr("scheduler_service.metrics.names.MOST_NAMES", 3)
    create(*(new_task(queue=f"q{number}") for number in range(7)))
    told = unfinished(text())
    assert sum(told.values()) == 5
    assert samples(text())["scheduler_tasks_unfinished_truncated"][(("status", "PENDING"),)] == 1


def test_the_database_is_asked_once_in_a_while(monkeypatch):
    asked = []
    monkeypatch.setattr(gauges, "ask", lambda: asked.append(1) or {"scheduler_tasks_lag_seconds": {(): 7.5}})
    monkeypatch.setattr(gauges, "KEPT_SECONDS", 1000.0)
    assert [samples(text())["scheduler_tasks_lag_seconds"] for _ in range(3)] == [{(): 7.5}] * 3
    assert len(asked) == 1


@pytest.mark.parametrize("spoilt", ["", "[]", '{"at": "x"}', '{"at": 99999999999, "values": {}}'])
def test_a_spoilt_answer_that_was_kept_is_asked_for_anew(metrics_folder, monkeypatch, spoilt):
    monkeypatch.setattr(gauges, "KEPT_SECONDS", 1000.0)
    (metrics_folder / gauges.FILE).write_text(spoilt)
    assert "scheduler_database_up 1.0" in text()


def test_without_the_database_the_rest_is_answered(monkeypatch):
    def fail():
        raise OperationalError("gone")

    post("/tasks/", {"operation": "1+1"})
    monkeypatch.setattr(store, "database_now", fail)
    page = samples(text())
    assert page["scheduler_database_up"] == {(): 0.0}
    assert page["scheduler_tasks_lag_seconds"] == page["scheduler_tasks_unfinished"] == {}
    assert sum(page["scheduler_tasks_created_total"].values()) == 1


def test_what_takes_the_database_too_long_is_left_out(monkeypatch):
    def fail():
        raise OperationalError("statement timeout")

    monkeypatch.setattr(gauges, "backlog", fail)
    page = samples(text())
    assert page["scheduler_database_up"] == {(): 1.0}
    assert page["scheduler_tasks_unfinished"] == {}


def run_a_service() -> str:
    """Do something that each metric is about, and read them."""
    create(new_task(), new_task("debug.sleep"), new_task(), now=store.database_now())
    LeasedStore().finish([ending(held) for held in claim(2, now=None)])
    create(new_task(), now=at(-3600))
    claim(1, now=at(-3600))
    Task.objects.filter(status="STARTED").update(lease_expires_at=at(-200_000_000))
    store.rescue()
    schedules.create(now=at(-400_000_000))
    schedule_store.fire_due()
    metering.rang("sent")
    metering.left_out(1)
    get("/tasks/")
    return text()


@pytest.fixture
def page(monkeypatch):
    monkeypatch.setattr(doorbell, "broker_is_reachable", lambda: True)
    return run_a_service()


def test_every_metric_is_exposed_with_its_labels_and_documented(page):
    exposed = samples(page)
    for metric in catalog.ALL:
        name = metric.name + ("_count" if metric.kind == "histogram" else "")
        labels = {tuple(label for label, _ in key) for key in exposed[name]}
        assert labels == {tuple(sorted(metric.labels))}, metric.name
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed}
    assert names == {metric.name for metric in catalog.ALL}
    rows = table(OPERATIONS, "metric", "kind", "labels", "meaning")
    told = {
        code(name): (kind, set() if labels == "none" else set(map(code, labels.split(", "))), meaning)
        for name, kind, labels, meaning in rows
    }
    assert told == {metric.name: (metric.kind, set(metric.labels), metric.help) for metric in catalog.ALL}


def expressions() -> Iterator[tuple[str, str]]:
    """What the files ask Prometheus for: where it stands, and the expression."""
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            # Grafana fills this in before Prometheus sees it.
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def nodes(expression: str) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(expression), lambda node: found.append(node))
    return found


SET_BY_PROMETHEUS = {"job", "instance"}


def test_the_rules_and_the_dashboard_ask_for_what_there_is(page):
    exposed = {name: {label for key in keys for label, _ in key} for name, keys in samples(page).items()}
    for where, expression in expressions():
        found = nodes(expression)
        selectors = [node for node in found if isinstance(node, promql_parser.VectorSelector)]
        assert selectors, where
        asked = {node.name for node in selectors}
        assert asked <= set(exposed), (where, asked)
        for node in selectors:
            assert {one.name for one in node.matchers.matchers} <= exposed[node.name], (where, expression)
        known = SET_BY_PROMETHEUS.union(*(exposed[name] for name in asked))
        groups = [n.modifier for n in found if isinstance(n, promql_parser.AggregateExpr) and n.modifier]
        assert {label for group in groups for label in group.labels} <= known, (where, expression)


def test_the_rules_match_values_that_exist(page):
    """A status or an outcome that is misspelt would never fire."""
    words = {
        "status": {"SUCCESS", "ERROR", "EXPIRED", "CANCELLED", "2xx", "5xx"},
        "outcome": {"SUCCESS"},
        "result": {"sent", "full", "failed", "held_back"},
    }
    for where, expression in expressions():
        for node in nodes(expression):
            for one in node.matchers.matchers if isinstance(node, promql_parser.VectorSelector) else ():
                assert one.name not in words or one.value in words[one.name], (where, one.value)


def test_every_metric_is_on_the_dashboard_or_in_a_rule():
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", node.name)
        for _, expression in expressions()
        for node in nodes(expression)
        if isinstance(node, promql_parser.VectorSelector)
    }
    assert {metric.name for metric in catalog.ALL} <= asked


def test_alerts_say_what_is_wrong_and_how_bad_it_is():
    [group] = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) > 8
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_panels_have_ids_of_their_own_and_do_not_lie_on_each_other():
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_scrape_asks_where_compose_serves():
    scrapes = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    compose = yaml.safe_load((PROJECT_DIR / "docker-compose.yml").read_text())["services"]
    web, workers = scrapes
    assert web["static_configs"][0]["targets"] == ["web:8000"]
    [found] = workers["dns_sd_configs"]
    assert str(found["port"]) == compose["worker"]["environment"]["METRICS_PORT"]
    assert set(found["names"]) <= set(compose)


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["project"]
    assert project["version"] == build.VERSION


def test_health_and_metrics_say_the_same_lag():
    create(now=store.database_now())
    lag = samples(text())["scheduler_tasks_lag_seconds"][()]
    assert lag == pytest.approx(health.database_checks()["tasks"]["lag_seconds"], abs=60)


def test_how_long_work_waits_is_shown_by_queue_and_of_queues_that_clients_name_together(configure):
    configure(dedicated_queues=("reports", "idle", "tasks"))
    ages = {"reports": 300, "a": 100, "b": 200}
    now = store.database_now()
    create(*(new_task(queue=queue, run_at=now - timedelta(seconds=age)) for queue, age in ages.items()))
    shown = {
        labels[0][1]: value for labels, value in samples(text())["scheduler_tasks_queue_lag_seconds"].items()
    }
    assert shown.pop("idle") == 0
    assert shown == {"reports": pytest.approx(300, abs=60), "tasks": pytest.approx(200, abs=60)}
