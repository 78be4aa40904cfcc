"""The profile `monitoring` of docker-compose.yml: its services find their files, the service, and their secrets."""

import json
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from scheduler_service.config import PROJECT_DIR

MONITORING = PROJECT_DIR / "misc" / "monitoring"
ADDED = ("prometheus", "grafana")


def read(path: str) -> Any:
    return yaml.safe_load((PROJECT_DIR / path).read_text())


COMPOSE = read("docker-compose.yml")
SERVICES = COMPOSE["services"]
SCRAPES = read("misc/monitoring/prometheus.yml")


def files(service: str) -> dict[str, str]:
    """Path in the container -> file of the project, for what is mounted to be read."""
    mounts = [volume.split(":") for volume in SERVICES[service]["volumes"] if volume.startswith("./")]
    assert [rest for _, _, *rest in mounts] == [["ro"]] * len(mounts)
    return {inside: outside for outside, inside, _ in mounts}


def secrets(service: str) -> dict[str, str]:
    """Path in the container -> variable whose value it has."""
    return {
        granted["target"]: COMPOSE["secrets"][granted["source"]]["environment"]
        for granted in SERVICES[service]["secrets"]
    }


def test_only_the_profile_starts_them():
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["monitoring"]} == {
        *ADDED
    }
    dependencies = {each for service in SERVICES.values() for each in service.get("depends_on", ())}
    assert not dependencies & {"grafana"}
    assert [name for name, s in SERVICES.items() if "prometheus" in s.get("depends_on", ())] == ["grafana"]


@pytest.mark.parametrize("name", ADDED)
def test_they_listen_on_loopback_only_and_their_versions_are_pinned(name):
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", ADDED)
def test_they_get_secrets_as_files_that_compose_can_write_and_that_they_can_read(name):
    service = SERVICES[name]
    assert not service.get("read_only")  # compose refuses secrets from the environment there
    assert [granted["uid"] for granted in service["secrets"]] == [
        {"prometheus": "65534", "grafana": "472"}[name]
    ]
    assert not any("PASSWORD" in key and not key.endswith("__FILE") for key in service.get("environment", ()))


def test_without_the_profile_their_secrets_need_not_be_there():
    """`${NAME:?…}` would be asked for by every command, whatever the profile."""
    text = (PROJECT_DIR / "docker-compose.yml").read_text()
    assert {secret["environment"] for secret in COMPOSE["secrets"].values()} == {
        "METRICS_TOKEN",
        "GRAFANA_PASSWORD",
    }
    assert not re.search(r"\$\{(METRICS_TOKEN|GRAFANA_PASSWORD)", text)


@pytest.mark.parametrize("name", ADDED)
def test_what_is_mounted_is_there(name):
    assert files(name)
    assert [path for path in files(name).values() if not (PROJECT_DIR / path).is_file()] == []
    named = {v.split(":")[0] for v in SERVICES[name]["volumes"] if not v.startswith("./")}
    assert named <= set(COMPOSE["volumes"])


def test_prometheus_reads_the_scrape_configuration_and_the_rules_beside_it():
    [option] = [o for o in SERVICES["prometheus"]["command"] if o.startswith("--config.file=")]
    place = PurePosixPath(option.partition("=")[2])
    assert files("prometheus")[str(place)] == "./misc/monitoring/prometheus.yml"
    rules = [files("prometheus")[str(place.parent / name)] for name in SCRAPES["rule_files"]]
    assert rules == ["./misc/monitoring/alerts.yml"]


def test_prometheus_has_the_token_where_each_scrape_looks_for_it():
    asked = {scrape["authorization"]["credentials_file"] for scrape in SCRAPES["scrape_configs"]}
    assert {secrets("prometheus")[path] for path in asked} == {"METRICS_TOKEN"}


def test_the_web_processes_answer_to_the_name_that_prometheus_calls():
    called = {
        target.split(":")[0]
        for scrape in SCRAPES["scrape_configs"]
        for static in scrape.get("static_configs", ())
        for target in static["targets"]
    }
    assert called == {"web"} <= set(SERVICES)
    # With an empty list it stays empty, and production refuses to start, as it should.
    assert SERVICES["web"]["environment"]["ALLOWED_HOSTS"] == "${ALLOWED_HOSTS:+${ALLOWED_HOSTS},web}"


def test_grafana_has_the_password_where_it_looks_for_it():
    place = SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert secrets("grafana")[place] == "GRAFANA_PASSWORD"


def test_grafana_asks_prometheus_and_knows_how_often_it_scrapes():
    [source] = read("misc/monitoring/grafana/datasource.yml")["datasources"]
    url = urlsplit(source["url"])
    assert (url.hostname in SERVICES, url.port) == (True, 9090)
    assert SERVICES["prometheus"]["ports"][0].endswith(":9090")
    assert source["jsonData"]["timeInterval"] == SCRAPES["global"]["scrape_interval"]


def test_grafana_finds_the_dashboard_and_the_dashboard_its_source():
    [provider] = read("misc/monitoring/grafana/dashboards.yml")["providers"]
    mounted = {PurePosixPath(inside).parent: outside for inside, outside in files("grafana").items()}
    assert mounted[PurePosixPath(provider["options"]["path"])] == "./misc/monitoring/dashboard.json"
    [source] = read("misc/monitoring/grafana/datasource.yml")["datasources"]
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    [asked] = [v["query"] for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    assert (asked, source["isDefault"]) == (source["type"], True)


@pytest.mark.parametrize(("name", "folder"), [("datasource", "datasources"), ("dashboards", "dashboards")])
def test_grafana_provisions_from_the_folder_of_its_kind(name, folder):
    [inside] = [i for i, o in files("grafana").items() if o == f"./misc/monitoring/grafana/{name}.yml"]
    assert str(PurePosixPath(inside).parent) == f"/etc/grafana/provisioning/{folder}"
