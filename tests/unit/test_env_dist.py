"""`.env.dist` names every setting, with the description and the default that the code has."""

import re
from pathlib import Path
from typing import Any

import yaml

from scheduler_service.config import PROJECT_DIR, Config

COMPOSE_ONLY = {
    "POSTGRES_PASSWORD": (
        "Of the service's own PostgreSQL; letters and digits, since it stands in a URL.",
        "",
    ),
    "FLOWER_BASIC_AUTH": ("Who may open Flower: name:password.", ""),
    "WEB_ADDRESS": ("Address of this machine that the API listens on.", "127.0.0.1"),
    "WEB_PORT": ("Port of the API on this machine.", "8000"),
    "WORKER_CONCURRENCY": ("Processes that run tasks, per worker container.", "4"),
    "FLOWER_PORT": ("Port of Flower on this machine (127.0.0.1 only).", "5555"),
    "PROMETHEUS_PORT": (
        "Port of Prometheus on this machine (127.0.0.1 only), with `--profile monitoring`.",
        "9090",
    ),
    "GRAFANA_PORT": (
        "Port of Grafana on this machine (127.0.0.1 only), with `--profile monitoring`.",
        "3000",
    ),
    "GRAFANA_PASSWORD": (
        "Grafana's `admin` begins with this; `--profile monitoring` refuses to start without it.",
        "",
    ),
    "IMAGE_TAG": ("Tag of the image that is built.", "local"),
    "IMAGE_REQUIREMENTS": (
        "Requirements of the image: runtime, or telemetry with the extras `sentry` and `otel`.",
        "runtime",
    ),
    "DEV_USER": ("User and group of the service `dev`, so that files it writes are yours.", "1000:1000"),
}


def expected_lines() -> dict[str, tuple[str, str]]:
    """Variable -> (description, default as text), for each field of Config."""
    fields = Config.model_fields.items()
    return {name.upper(): (field.description or "", as_text(field.default)) for name, field in fields}


def as_text(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, Path):
        return str(default.relative_to(PROJECT_DIR))
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def entries() -> dict[str, tuple[str, str]]:
    text = (PROJECT_DIR / ".env.dist").read_text()
    found = re.findall(r"^# (.+)\n#?([A-Z_]+)=(.*)$", text, re.MULTILINE)
    return {name: (description, default) for description, name, default in found}


def test_env_dist_holds_every_setting_with_its_description_and_default() -> None:
    assert entries() == {**expected_lines(), **COMPOSE_ONLY}


def test_env_dist_names_every_variable_that_compose_fills_in() -> None:
    compose = (PROJECT_DIR / "docker-compose.yml").read_text()
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", compose))
    secrets = {secret["environment"] for secret in yaml.safe_load(compose)["secrets"].values()}
    assert used | secrets == {*COMPOSE_ONLY, "WEB_WORKERS", "ALLOWED_HOSTS", "METRICS_TOKEN"}


def test_compose_defaults_are_those_of_env_dist() -> None:
    compose = (PROJECT_DIR / "docker-compose.yml").read_text()
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", compose))
    own = {name: default for name, (_, default) in COMPOSE_ONLY.items() if default}
    assert defaults == {**own, "WEB_WORKERS": expected_lines()["WEB_WORKERS"][1]}


def test_compose_overrides_only_what_it_provides_itself() -> None:
    services = yaml.safe_load((PROJECT_DIR / "docker-compose.yml").read_text())["services"]
    own = {"DATABASE_URL", "CELERY_BROKER_URL", "METRICS_DIR", "METRICS_PORT", "METRICS_HOST"}
    # To ALLOWED_HOSTS it only adds a name.
    assert set(services["web"]["environment"]) & set(expected_lines()) == {*own, "ALLOWED_HOSTS"}
