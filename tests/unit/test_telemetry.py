"""Sentry and OpenTelemetry: off unless asked for, refused with advice where they are not installed."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from scheduler_service import logs, telemetry
from scheduler_service.config import PROJECT_DIR, Config, ConfigurationError

DSN = "https://key@sentry.example/1"
COLLECTOR = "http://collector.example:4318"
SETTINGS = {"sentry_dsn": DSN, "otel_exporter_otlp_endpoint": COLLECTOR}


class HttpTransport:
    """What the fake Sentry sends through: it remembers which signals are blocked meanwhile."""

    def __init__(self) -> None:
        self.blocked: list[set[signal.Signals]] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.blocked.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, [])))  # type: ignore[arg-type]


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **attributes: Any) -> None:
    """A module of this name, with its parents."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        parent = ".".join(parts[:end])
        if parent not in sys.modules or not hasattr(sys.modules[parent], "__faked__"):
            made = ModuleType(parent)
            vars(made)["__faked__"] = True
            monkeypatch.setitem(sys.modules, parent, made)
    vars(sys.modules[name]).update(attributes)


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options that Sentry was given."""
    options: dict[str, Any] = {}
    fake(monkeypatch, "sentry_sdk.integrations.celery", CeleryIntegration=type("CeleryIntegration", (), {}))
    fake(monkeypatch, "sentry_sdk.integrations.django", DjangoIntegration=type("DjangoIntegration", (), {}))
    fake(monkeypatch, "sentry_sdk.transport", HttpTransport=HttpTransport)
    fake(monkeypatch, "sentry_sdk", init=lambda **given: options.update(given))
    return options


class Otel:
    """What the fake OpenTelemetry was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, service: str = "unknown_service:python") -> None:
        self.told: list[Any] = []
        self.blocked: set[Any] = set()
        told = self.told

        class Resource:
            def __init__(self, attributes: dict[str, str]) -> None:
                self.attributes = attributes

            @classmethod
            def create(cls) -> "Resource":
                return cls({"service.name": service})

            def merge(self, other: "Resource") -> "Resource":
                return Resource({**self.attributes, **other.attributes})

        class TracerProvider:
            def __init__(self, resource: Resource) -> None:
                told.append(resource.attributes)

            def add_span_processor(self, processor: object) -> None:
                told.append(processor)

        def batch(exporter: object) -> object:
            self.blocked = set(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            return "batch", exporter

        def instrumentor(name: str) -> Callable[[], Any]:
            return type(name, (), {"instrument": lambda self: told.append(type(self).__name__)})

        base = "opentelemetry"
        fake(monkeypatch, f"{base}.trace", set_tracer_provider=lambda made: told.append(type(made).__name__))
        exporter = f"{base}.exporter.otlp.proto.http.trace_exporter"
        fake(monkeypatch, exporter, OTLPSpanExporter=lambda: "exporter")
        for module, name in (
            ("celery", "CeleryInstrumentor"),
            ("django", "DjangoInstrumentor"),
            ("psycopg2", "Psycopg2Instrumentor"),
        ):
            fake(monkeypatch, f"{base}.instrumentation.{module}", **{name: instrumentor(name)})
        fake(monkeypatch, f"{base}.sdk.resources", Resource=Resource)
        fake(monkeypatch, f"{base}.sdk.trace.export", BatchSpanProcessor=batch)
        fake(monkeypatch, f"{base}.sdk.trace", TracerProvider=TracerProvider)
        # `from opentelemetry import trace`
        vars(sys.modules[base])["trace"] = sys.modules[f"{base}.trace"]


def test_without_their_settings_nothing_is_loaded() -> None:
    program = (
        "import sys, django; django.setup(); import scheduler_service.wsgi; "
        "sys.exit(any(name.startswith(('sentry_sdk', 'opentelemetry')) for name in sys.modules))"
    )
    environ = {**os.environ, "SENTRY_DSN": "", "OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    command = [sys.executable, "-W", "ignore", "-c", program]
    assert subprocess.run(command, env=environ, cwd=PROJECT_DIR, check=False).returncode == 0


@pytest.mark.parametrize(
    ("setting", "extra"), [("sentry_dsn", "sentry"), ("otel_exporter_otlp_endpoint", "otel")]
)
def test_a_setting_without_its_extra_is_refused_with_what_to_install(
    setting: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(telemetry.NEEDED, setting, (extra, ("nowhere.to.be.found",)))
    with pytest.raises(ConfigurationError) as raised:
        telemetry.check(Config(**{setting: SETTINGS[setting]}))
    message = str(raised.value)
    assert message.startswith(f"{setting.upper()} is set, but the extra `{extra}` is not installed")
    lock = re.search(r"requirements/\w+\.lock", message)
    assert lock
    assert (PROJECT_DIR / lock[0]).exists()


def test_a_setting_with_its_extra_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, (extra, _) in telemetry.NEEDED.items():
        monkeypatch.setitem(telemetry.NEEDED, setting, (extra, ("json", "email.mime.text")))
    telemetry.check(Config(**SETTINGS))  # type: ignore[arg-type]


@pytest.mark.skipif(find_spec("sentry_sdk") is not None, reason="the extra is installed here")
def test_the_settings_stop_the_start_with_that_message() -> None:
    environ = {**os.environ, "SENTRY_DSN": DSN}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=PROJECT_DIR, env=environ, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert done.stderr.startswith("SENTRY_DSN is set, but the extra `sentry` is not installed")


def test_without_a_dsn_sentry_is_not_begun(sentry: dict[str, Any]) -> None:
    telemetry.report_errors(Config())
    assert sentry == {}


def test_sentry_gets_no_personal_data_no_bodies_and_no_variables(sentry: dict[str, Any]) -> None:
    telemetry.report_errors(Config(sentry_dsn=DSN))
    assert sentry["dsn"] == DSN
    assert [type(one).__name__ for one in sentry["integrations"]] == [
        "DjangoIntegration",
        "CeleryIntegration",
    ]
    assert sentry["send_default_pii"] is False
    assert sentry["include_local_variables"] is False
    assert sentry["max_request_body_size"] == "never"


def test_what_goes_to_sentry_holds_no_secret_and_says_of_what_it_is(sentry: dict[str, Any]) -> None:
    config = Config(sentry_dsn=DSN, secret_key="s" * 50, database_url="postgres://u:hunter2hunter2@db/x")
    telemetry.report_errors(config)
    event = {
        "message": "s" * 50,
        "exception": {"values": [{"value": "hunter2hunter2", "number": 7}]},
        "breadcrumbs": ({"message": "redis://:hunter3@h"},),
        "tags": {"runtime": "x"},
    }
    with logs.bound(request_id="r1"):
        sent = sentry["before_send"](event, {})
    assert sent == {
        "message": "[redacted]",
        "exception": {"values": [{"value": "[redacted]", "number": 7}]},
        "breadcrumbs": [{"message": "redis://:[redacted]@h"}],
        "tags": {"request_id": "r1", "runtime": "x"},
    }


def test_sentrys_thread_starts_with_all_signals_blocked(sentry: dict[str, Any]) -> None:
    telemetry.report_errors(Config(sentry_dsn=DSN))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    transport = sentry["transport"]()
    transport.capture_envelope("envelope")
    assert {signal.SIGTERM, signal.SIGUSR2, signal.SIGINT} <= transport.blocked[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_traces_go_out_in_batches_from_all_three_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    otel = Otel(monkeypatch)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    telemetry.trace(Config(otel_exporter_otlp_endpoint=COLLECTOR))
    assert otel.told == [
        {"service.name": "scheduler-service"},
        ("batch", "exporter"),
        "TracerProvider",
        "DjangoInstrumentor",
        "CeleryInstrumentor",
        "Psycopg2Instrumentor",
    ]
    assert {signal.SIGTERM, signal.SIGUSR2, signal.SIGINT} <= otel.blocked
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_the_environments_own_name_of_the_service_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    otel = Otel(monkeypatch, service="accounting")
    telemetry.trace(Config(otel_exporter_otlp_endpoint=COLLECTOR))
    assert otel.told[0] == {"service.name": "accounting"}


def test_without_an_endpoint_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    otel = Otel(monkeypatch)
    telemetry.trace(Config())
    assert otel.told == []


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^[\w.-]+==\S+", lock.read_text(), re.MULTILINE))


def test_the_lock_with_the_extras_is_the_runtimes_and_more() -> None:
    runtime, with_extras = (
        pins(PROJECT_DIR / "requirements" / f"{name}.lock") for name in ("runtime", "telemetry")
    )
    assert runtime
    assert runtime < with_extras
    extras = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {name.split("~=")[0] for extra, _ in telemetry.NEEDED.values() for name in extras[extra]}
    assert wanted <= {pin.split("==")[0] for pin in with_extras - runtime}
