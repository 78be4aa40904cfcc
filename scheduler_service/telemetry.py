"""Errors to Sentry and traces to OpenTelemetry: optional, off unless their setting is there, loaded only then.

Both keep threads. These block all signals: one that a thread lets in would strike the main thread, which holds
signals back while it writes (see `tasks_app.drain`).
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from scheduler_service import logs
from scheduler_service.config import Config, ConfigurationError
from scheduler_service.redaction import redactor

SERVICE = "scheduler-service"
NEEDED = {
    "sentry_dsn": ("sentry", ("sentry_sdk",)),
    "otel_exporter_otlp_endpoint": (
        "otel",
        (
            "opentelemetry.sdk",
            "opentelemetry.exporter.otlp.proto.http",
            "opentelemetry.instrumentation.django",
            "opentelemetry.instrumentation.celery",
            "opentelemetry.instrumentation.psycopg2",
        ),
    ),
}
"""Setting -> the extra of pyproject.toml that it needs, and modules of that."""


def check(config: Config) -> None:
    """Raise ConfigurationError if a setting asks for what is not installed."""
    for setting, (extra, modules) in NEEDED.items():
        if getattr(config, setting) and not all(map(_is_installed, modules)):
            raise ConfigurationError(
                f"{setting.upper()} is set, but the extra `{extra}` is not installed. Install "
                "requirements/telemetry.lock (the image: IMAGE_REQUIREMENTS=telemetry), or leave it empty."
            )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent package
        return False


def report_errors(config: Config) -> None:
    """Send what is logged as an error, and what no view or Celery task catches, to Sentry, if SENTRY_DSN is set."""
    if not config.sentry_dsn:
        return
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.django import DjangoIntegration

    sentry_sdk.init(
        dsn=config.sentry_dsn,
        integrations=[DjangoIntegration(), CeleryIntegration()],
        transport=_transport(),
        before_send=_before_send(redactor(logs.secrets(config))),
        # Arguments of tasks are their senders' business.
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        # Each keeps a thread for what is not asked for.
        auto_session_tracking=False,
        enable_backpressure_handling=False,
    )


def _transport() -> type[Any]:
    from sentry_sdk.transport import HttpTransport

    class Transport(HttpTransport):
        """Its thread starts with the first event of a process."""

        def capture_envelope(self, envelope: Any) -> None:
            with _signals_blocked():
                super().capture_envelope(envelope)

    return Transport


def _before_send(redact: Callable[[str], str]) -> Callable[[Any, Any], Any]:
    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, dict):
            return {key: clean(inner) for key, inner in value.items()}
        return [clean(inner) for inner in value] if isinstance(value, list | tuple) else value

    def before_send(event: Any, hint: Any) -> Any:
        fields = {name: str(value) for name, value in logs.context().items()}
        return clean({**event, "tags": {**fields, **(event.get("tags") or {})}})

    return before_send


def trace(config: Config) -> None:
    """Send spans of requests, Celery tasks and statements, if OTEL_EXPORTER_OTLP_ENDPOINT is set.

    Once per process, after the fork, and before Django has loaded its middleware. The SDK reads its other OTEL_*
    variables itself.
    """
    if not config.otel_exporter_otlp_endpoint:
        return
    from opentelemetry import trace as api
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE}))
    provider = TracerProvider(resource=resource)
    with _signals_blocked():
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    api.set_tracer_provider(provider)
    for instrumentor in (DjangoInstrumentor(), CeleryInstrumentor(), Psycopg2Instrumentor()):
        instrumentor.instrument()


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """A thread that is started inside inherits the mask."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
